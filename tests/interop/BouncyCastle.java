import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.crypto.SecretKey;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedDataParser;
import org.bouncycastle.cms.CMSEnvelopedDataStreamGenerator;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.KeyAgreeRecipientId;
import org.bouncycastle.cms.KEKRecipientId;
import org.bouncycastle.cms.KeyTransRecipientId;
import org.bouncycastle.cms.PasswordRecipient;
import org.bouncycastle.cms.PasswordRecipientId;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientId;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.RecipientInformationStore;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipient;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientId;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKEKEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKEKRecipient;
import org.bouncycastle.cms.jcajce.JceKEKRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientId;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JcePasswordEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JcePasswordRecipient;
import org.bouncycastle.cms.jcajce.JcePasswordRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.OutputEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;

/**
 * Encrypts and decrypts CMS envelopes with Bouncy Castle, one request after the other until its input ends.
 *
 * <p>A request is lines of {@code name=value} closed by an empty line; a name may repeat, binary values are base64.
 * The answer is one line, {@code ok=} with base64 or {@code error=} with words.
 *
 * <pre>
 * do=encrypt  content=AES-256-GCM  encoding=der|ber  data=…  and for each recipient one of
 *             rsa=CERTIFICATE, after  transport=v1.5|oaep  hash=SHA-256  mgf=SHA-256  identifier=issuer-serial|key-identifier
 *             agree=CERTIFICATE, after  agreement=OID  wrap=OID  and perhaps ukm=…: all in one recipient info
 *             encapsulate=CERTIFICATE, after  wrap=OID  and perhaps kdf=OID  ukm=…
 *             shared=KEY, after  name=…
 *             password=…, after  prf=SHA-256  iterations=…  kek=AES-256-CBC
 * do=decrypt  envelope=…  and one of  certificate=… with key=PKCS#8,  shared=KEY with name=…,  password=…
 * do=sign     data=…  key=PKCS#8  certificate=…  algorithm=SHA256withRSA  attached=yes|no
 * do=verify   signed=…  and the data=… where they are beside it; the answer is the data
 * do=version
 * </pre>
 */
public final class BouncyCastle {
    private static final Map<String, ASN1ObjectIdentifier> UNAUTHENTICATED = Map.of(
        "AES-128-CBC", CMSAlgorithm.AES128_CBC, "AES-192-CBC", CMSAlgorithm.AES192_CBC,
        "AES-256-CBC", CMSAlgorithm.AES256_CBC, "DES-EDE3-CBC", CMSAlgorithm.DES_EDE3_CBC,
        "RC2-CBC", CMSAlgorithm.RC2_CBC);
    private static final Map<String, ASN1ObjectIdentifier> AUTHENTICATED = Map.of(
        "AES-128-GCM", CMSAlgorithm.AES128_GCM, "AES-192-GCM", CMSAlgorithm.AES192_GCM,
        "AES-256-GCM", CMSAlgorithm.AES256_GCM,
        "ChaCha20-Poly1305", new ASN1ObjectIdentifier("1.2.840.113549.1.9.16.3.18"));

    private static final Map<String, PasswordRecipient.PRF> PRF = Map.of(
        "SHA-1", PasswordRecipient.PRF.HMacSHA1, "SHA-224", PasswordRecipient.PRF.HMacSHA224,
        "SHA-256", PasswordRecipient.PRF.HMacSHA256, "SHA-384", PasswordRecipient.PRF.HMacSHA384,
        "SHA-512", PasswordRecipient.PRF.HMacSHA512);

    /** One request's values by name, each in the order in which they came. */
    private static final class Request {
        private final Map<String, List<String>> values = new HashMap<>();

        static Request read(BufferedReader input) throws Exception {
            Request request = new Request();
            for (String line = input.readLine(); line != null && !line.isEmpty(); line = input.readLine()) {
                int split = line.indexOf('=');
                request.values.computeIfAbsent(line.substring(0, split), name -> new ArrayList<>())
                    .add(line.substring(split + 1));
            }
            return request;
        }

        boolean isEmpty() {
            return values.isEmpty();
        }

        List<String> all(String name) {
            return values.getOrDefault(name, List.of());
        }

        String one(String name) {
            return values.get(name).get(0);
        }

        byte[] bytes(String name) {
            return Base64.getDecoder().decode(one(name));
        }
    }

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (Request request = Request.read(input); !request.isEmpty(); request = Request.read(input)) {
            try {
                answers.println("ok=" + Base64.getEncoder().encodeToString(answer(request)));
            } catch (Exception problem) {
                answers.println("error=" + problem.toString().replace('\n', ' '));
            }
        }
    }

    private static byte[] answer(Request request) throws Exception {
        switch (request.one("do")) {
            case "encrypt":
                return AUTHENTICATED.containsKey(request.one("content"))
                    ? encryptAuthenticated(request) : encrypt(request);
            case "sign":
                return sign(request);
            case "verify":
                return verify(request);
            case "decrypt":
                return decrypt(request);
            default:
                return new BouncyCastleProvider().getInfo().getBytes(StandardCharsets.UTF_8);
        }
    }

    private static byte[] sign(Request request) throws Exception {
        X509Certificate certificate = certificate(request.bytes("certificate"));
        PrivateKey key = privateKey(request.bytes("key"));
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addSignerInfoGenerator(new JcaSimpleSignerInfoGeneratorBuilder().setProvider("BC")
            .build(request.one("algorithm"), key, certificate));
        generator.addCertificate(new JcaX509CertificateHolder(certificate));
        CMSProcessableByteArray data = new CMSProcessableByteArray(request.bytes("data"));
        return generator.generate(data, request.one("attached").equals("yes")).getEncoded();
    }

    private static byte[] verify(Request request) throws Exception {
        byte[] octets = request.bytes("signed");
        byte[] beside = !request.all("data").isEmpty() ? request.bytes("data") : null;
        CMSSignedData signed = beside == null
            ? new CMSSignedData(octets) : new CMSSignedData(new CMSProcessableByteArray(beside), octets);
        if (signed.getSignerInfos().size() == 0) {
            throw new CMSException("no signer");
        }
        for (SignerInformation signer : signed.getSignerInfos()) {
            @SuppressWarnings("unchecked")
            X509CertificateHolder holder =
                (X509CertificateHolder) signed.getCertificates().getMatches(signer.getSID()).iterator().next();
            if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(holder))) {
                throw new CMSException("a signature does not hold");
            }
        }
        return (byte[]) signed.getSignedContent().getContent();
    }

    private static byte[] encrypt(Request request) throws Exception {
        byte[] data = request.bytes("data");
        if (request.one("encoding").equals("der")) {
            CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
            recipients(request).forEach(generator::addRecipientInfoGenerator);
            return generator.generate(new CMSProcessableByteArray(data), encryptor(UNAUTHENTICATED, request))
                .toASN1Structure().getEncoded(ASN1Encoding.DER);
        }
        CMSEnvelopedDataStreamGenerator generator = new CMSEnvelopedDataStreamGenerator();
        recipients(request).forEach(generator::addRecipientInfoGenerator);
        ByteArrayOutputStream envelope = new ByteArrayOutputStream();
        try (OutputStream body = generator.open(envelope, encryptor(UNAUTHENTICATED, request))) {
            body.write(data);
        }
        return envelope.toByteArray();
    }

    /** Its stream generator is newer than 1.72: what is built in memory is encoded in BER instead. */
    private static byte[] encryptAuthenticated(Request request) throws Exception {
        CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
        recipients(request).forEach(generator::addRecipientInfoGenerator);
        return generator
            .generate(new CMSProcessableByteArray(request.bytes("data")), (OutputAEADEncryptor) encryptor(AUTHENTICATED, request))
            .toASN1Structure()
            .getEncoded(request.one("encoding").equals("der") ? ASN1Encoding.DER : ASN1Encoding.BER);
    }

    private static OutputEncryptor encryptor(Map<String, ASN1ObjectIdentifier> algorithms, Request request)
        throws Exception {
        JceCMSContentEncryptorBuilder builder =
            new JceCMSContentEncryptorBuilder(algorithms.get(request.one("content"))).setProvider("BC");
        if (!request.all("derived").isEmpty()) { // 1.72 has no such method
            JceCMSContentEncryptorBuilder.class.getMethod("setEnableSha256HKdf", boolean.class).invoke(builder, true);
        }
        return builder.build();
    }

    private static List<RecipientInfoGenerator> recipients(Request request) throws Exception {
        List<RecipientInfoGenerator> generators = new ArrayList<>();
        for (String encoded : request.all("rsa")) {
            X509Certificate certificate = certificate(Base64.getDecoder().decode(encoded));
            AlgorithmIdentifier transport = transport(request);
            generators.add((request.one("identifier").equals("key-identifier")
                ? new JceKeyTransRecipientInfoGenerator(keyIdentifier(certificate), transport, certificate.getPublicKey())
                : new JceKeyTransRecipientInfoGenerator(certificate, transport)).setProvider("BC"));
        }
        if (!request.all("agree").isEmpty()) {
            generators.add(agreement(request));
        }
        for (String encoded : request.all("encapsulate")) {
            generators.add(encapsulation(request, certificate(Base64.getDecoder().decode(encoded))));
        }
        if (!request.all("shared").isEmpty()) {
            generators.add(new JceKEKRecipientInfoGenerator(request.bytes("name"), shared(request)).setProvider("BC"));
        }
        if (!request.all("password").isEmpty()) {
            generators.add(new JcePasswordRecipientInfoGenerator(UNAUTHENTICATED.get(request.one("kek")), password(request))
                .setProvider("BC").setPRF(PRF.get(request.one("prf")))
                .setSaltAndIterationCount(SecureRandom.getSeed(16), Integer.parseInt(request.one("iterations"))));
        }
        return generators;
    }

    /** One recipient info for all recipients that agree on a key with one new key. */
    private static RecipientInfoGenerator agreement(Request request) throws Exception {
        PublicKey first = certificate(Base64.getDecoder().decode(request.one("agree"))).getPublicKey();
        KeyPairGenerator maker = KeyPairGenerator.getInstance(first.getAlgorithm(), "BC");
        if (first instanceof ECPublicKey) {
            maker.initialize(((ECPublicKey) first).getParams());
        }
        KeyPair ephemeral = maker.generateKeyPair();
        JceKeyAgreeRecipientInfoGenerator generator = new JceKeyAgreeRecipientInfoGenerator(
            new ASN1ObjectIdentifier(request.one("agreement")), ephemeral.getPrivate(), ephemeral.getPublic(),
            new ASN1ObjectIdentifier(request.one("wrap"))).setProvider("BC");
        for (String encoded : request.all("agree")) {
            X509Certificate certificate = certificate(Base64.getDecoder().decode(encoded));
            if (request.one("identifier").equals("key-identifier")) {
                generator.addRecipient(keyIdentifier(certificate), certificate.getPublicKey());
            } else {
                generator.addRecipient(certificate);
            }
        }
        if (!request.all("ukm").isEmpty()) {
            generator.setUserKeyingMaterial(request.bytes("ukm"));
        }
        return generator;
    }

    private static AlgorithmIdentifier transport(Request request) throws Exception {
        if (request.one("transport").equals("v1.5")) {
            return new AlgorithmIdentifier(PKCSObjectIdentifiers.rsaEncryption, org.bouncycastle.asn1.DERNull.INSTANCE);
        }
        return new JcaAlgorithmParametersConverter().getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP,
            new OAEPParameterSpec(request.one("hash"), "MGF1", new MGF1ParameterSpec(request.one("mgf")),
                new PSource.PSpecified(request.bytes("label"))));
    }

    private static byte[] decrypt(Request request) throws Exception {
        byte[] envelope = request.bytes("envelope");
        if (request.all("certificate").isEmpty()) {
            return decryptWithSecret(envelope, request);
        }
        X509Certificate certificate = certificate(request.bytes("certificate"));
        PrivateKey key = privateKey(request.bytes("key"));
        ASN1ObjectIdentifier type = ContentInfo.getInstance(envelope).getContentType();
        if (key.getAlgorithm().startsWith("ML-KEM")) {
            return decapsulate(envelope, certificate, key, type);
        }
        if (!key.getAlgorithm().equals("RSA")) {
            return agree(envelope, certificate, key, type);
        }
        RecipientId identifier = new JceKeyTransRecipientId(certificate);
        if (type.equals(CMSObjectIdentifiers.authEnvelopedData)) {
            return open(new CMSAuthEnvelopedData(envelope).getRecipientInfos(), identifier,
                new JceKeyTransAuthEnvelopedRecipient(key).setProvider("BC"));
        }
        return open(new CMSEnvelopedDataParser(envelope).getRecipientInfos(), identifier,
            new JceKeyTransEnvelopedRecipient(key).setProvider("BC"));
    }

    /** All classes for KEMs are newer than 1.72. */
    private static RecipientInfoGenerator encapsulation(Request request, X509Certificate certificate) throws Exception {
        Class<?> kind = Class.forName("org.bouncycastle.cms.jcajce.JceKEMRecipientInfoGenerator");
        ASN1ObjectIdentifier wrap = new ASN1ObjectIdentifier(request.one("wrap"));
        Object generator = request.one("identifier").equals("key-identifier")
            ? kind.getConstructor(byte[].class, PublicKey.class, ASN1ObjectIdentifier.class)
                .newInstance(keyIdentifier(certificate), certificate.getPublicKey(), wrap)
            : kind.getConstructor(X509Certificate.class, ASN1ObjectIdentifier.class).newInstance(certificate, wrap);
        kind.getMethod("setProvider", String.class).invoke(generator, "BC");
        if (!request.all("kdf").isEmpty()) { // RSA-KEM has KDF3 of its own accord
            kind.getMethod("setKDF", AlgorithmIdentifier.class)
                .invoke(generator, new AlgorithmIdentifier(new ASN1ObjectIdentifier(request.one("kdf"))));
        }
        if (!request.all("ukm").isEmpty()) {
            kind.getMethod("setUserKeyingMaterial", byte[].class).invoke(generator, (Object) request.bytes("ukm"));
        }
        return (RecipientInfoGenerator) generator;
    }

    private static byte[] decapsulate(
        byte[] envelope, X509Certificate certificate, PrivateKey key, ASN1ObjectIdentifier type) throws Exception {
        boolean authenticated = type.equals(CMSObjectIdentifiers.authEnvelopedData);
        RecipientInformationStore store = authenticated
            ? new CMSAuthEnvelopedData(envelope).getRecipientInfos()
            : new CMSEnvelopedDataParser(envelope).getRecipientInfos();
        Class<?> kind = Class.forName(
            "org.bouncycastle.cms.jcajce." + (authenticated ? "JceKEMAuthEnvelopedRecipient" : "JceKEMEnvelopedRecipient"));
        Object recipient = kind.getConstructor(PrivateKey.class).newInstance(key);
        kind.getMethod("setProvider", String.class).invoke(recipient, "BC");
        RecipientId byIssuer = (RecipientId) Class.forName("org.bouncycastle.cms.jcajce.JceKEMRecipientId")
            .getConstructor(X509Certificate.class).newInstance(certificate);
        RecipientId byKey = (RecipientId) Class.forName("org.bouncycastle.cms.KEMRecipientId")
            .getConstructor(byte[].class).newInstance((Object) keyIdentifier(certificate));
        return open(store, store.get(byIssuer) == null ? byKey : byIssuer, (Recipient) recipient);
    }

    /** The class for authenticated content is newer than 1.72. */
    private static byte[] agree(byte[] envelope, X509Certificate certificate, PrivateKey key, ASN1ObjectIdentifier type)
        throws Exception {
        RecipientInformationStore store;
        JceKeyAgreeRecipient recipient;
        if (type.equals(CMSObjectIdentifiers.authEnvelopedData)) {
            store = new CMSAuthEnvelopedData(envelope).getRecipientInfos();
            recipient = (JceKeyAgreeRecipient) Class
                .forName("org.bouncycastle.cms.jcajce.JceKeyAgreeAuthEnvelopedRecipient")
                .getConstructor(PrivateKey.class).newInstance(key);
        } else {
            store = new CMSEnvelopedDataParser(envelope).getRecipientInfos();
            recipient = new JceKeyAgreeEnvelopedRecipient(key);
        }
        RecipientId byIssuer = new JceKeyAgreeRecipientId(certificate);
        RecipientId byKey = new KeyAgreeRecipientId(keyIdentifier(certificate));
        return open(store, store.get(byIssuer) == null ? byKey : byIssuer, recipient.setProvider("BC"));
    }

    /** The classes for authenticated content are newer than 1.72. */
    private static byte[] decryptWithSecret(byte[] envelope, Request request) throws Exception {
        boolean authenticated =
            ContentInfo.getInstance(envelope).getContentType().equals(CMSObjectIdentifiers.authEnvelopedData);
        RecipientInformationStore store = authenticated
            ? new CMSAuthEnvelopedData(envelope).getRecipientInfos()
            : new CMSEnvelopedDataParser(envelope).getRecipientInfos();
        if (!request.all("shared").isEmpty()) {
            JceKEKRecipient recipient = authenticated
                ? (JceKEKRecipient) Class.forName("org.bouncycastle.cms.jcajce.JceKEKAuthEnvelopedRecipient")
                    .getConstructor(SecretKey.class).newInstance(shared(request))
                : new JceKEKEnvelopedRecipient(shared(request));
            return open(store, new KEKRecipientId(request.bytes("name")), recipient.setProvider("BC"));
        }
        JcePasswordRecipient recipient = authenticated
            ? (JcePasswordRecipient) Class.forName("org.bouncycastle.cms.jcajce.JcePasswordAuthEnvelopedRecipient")
                .getConstructor(char[].class).newInstance((Object) password(request))
            : new JcePasswordEnvelopedRecipient(password(request));
        return open(store, new PasswordRecipientId(), recipient.setProvider("BC"));
    }

    private static SecretKey shared(Request request) {
        return new SecretKeySpec(request.bytes("shared"), "AES");
    }

    private static char[] password(Request request) {
        return new String(request.bytes("password"), StandardCharsets.UTF_8).toCharArray();
    }

    private static byte[] open(RecipientInformationStore store, RecipientId identifier, Recipient recipient)
        throws CMSException {
        RecipientInformation addressed = store.get(identifier);
        if (addressed == null) {
            throw new CMSException("not addressed to this certificate");
        }
        return addressed.getContent(recipient);
    }

    private static X509Certificate certificate(byte[] encoded) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509", "BC")
            .generateCertificate(new ByteArrayInputStream(encoded));
    }

    private static PrivateKey privateKey(byte[] encoded) throws Exception {
        String algorithm = PrivateKeyInfo.getInstance(encoded).getPrivateKeyAlgorithm().getAlgorithm().getId();
        return KeyFactory.getInstance(algorithm, "BC").generatePrivate(new PKCS8EncodedKeySpec(encoded));
    }

    private static byte[] keyIdentifier(X509Certificate certificate) {
        ASN1OctetString extension =
            ASN1OctetString.getInstance(certificate.getExtensionValue(Extension.subjectKeyIdentifier.getId()));
        return SubjectKeyIdentifier.getInstance(extension.getOctets()).getKeyIdentifier();
    }
}
