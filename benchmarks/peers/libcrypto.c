/*
 * libcrypto's CMS in a loop: messages per second of CPU time.
 *
 *     libcrypto enc|dec --in MAIL --cipher aes256gcm|aes128cbc [--oaep] --certs PEM | --key PEM --cert PEM
 *     libcrypto sig|ver --in MAIL --key PEM --cert PEM, and in any case
 *         --warm SECONDS --secs SECONDS [--out FILE]
 *
 * Certificates and key are loaded once; each round goes from a mail in memory to one in memory.
 * Prints {"n": MESSAGES, "cpu": SECONDS}; --out keeps the last message.
 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *option(int count, char **words, const char *name, const char *otherwise)
{
    for (int i = 2; i + 1 < count; i++)
        if (strcmp(words[i], name) == 0)
            return words[i + 1];
    return otherwise;
}

static int has(int count, char **words, const char *name)
{
    for (int i = 2; i < count; i++)
        if (strcmp(words[i], name) == 0)
            return 1;
    return 0;
}

static void *checked(void *value)
{
    if (value == NULL) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    return value;
}

static void succeeded(int result)
{
    checked(result > 0 ? "" : NULL);
}

static double cpu(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

/* What every round needs. */
struct work {
    const char *mail;
    long size;
    const EVP_CIPHER *cipher;
    int oaep;
    STACK_OF(X509) *certificates;
    X509 *certificate;
    EVP_PKEY *key;
    X509_STORE *trusted;
};

static void read_mail(struct work *work, const char *path)
{
    BIO *file = checked(BIO_new_file(path, "rb")), *memory = checked(BIO_new(BIO_s_mem()));
    char buffer[65536];
    for (int got; (got = BIO_read(file, buffer, sizeof buffer)) > 0;)
        succeeded(BIO_write(memory, buffer, got));
    work->size = BIO_get_mem_data(memory, &work->mail); /* lives as long as the process */
    BIO_free(file);
}

static STACK_OF(X509) *read_certificates(const char *path)
{
    BIO *file = checked(BIO_new_file(path, "rb"));
    STACK_OF(X509) *all = checked(sk_X509_new_null());
    for (X509 *one; (one = PEM_read_bio_X509(file, NULL, NULL, NULL)) != NULL;)
        succeeded(sk_X509_push(all, one));
    ERR_clear_error(); /* the end of the file */
    BIO_free(file);
    return all;
}

static void add_recipient(CMS_ContentInfo *cms, X509 *certificate, int oaep)
{
    CMS_RecipientInfo *info = checked(CMS_add1_recipient_cert(cms, certificate, oaep ? CMS_KEY_PARAM : 0));
    if (!oaep)
        return;
    EVP_PKEY_CTX *context = checked(CMS_RecipientInfo_get0_pkey_ctx(info));
    succeeded(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING));
    succeeded(EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()));
}

static BIO *encrypt(const struct work *work)
{
    /* not as a stream: with all in memory definite lengths are faster */
    BIO *in = checked(BIO_new_mem_buf(work->mail, (int)work->size)), *out = checked(BIO_new(BIO_s_mem()));
    CMS_ContentInfo *cms = checked(CMS_encrypt(NULL, in, work->cipher, CMS_BINARY | CMS_PARTIAL));
    for (int i = 0; i < sk_X509_num(work->certificates); i++)
        add_recipient(cms, sk_X509_value(work->certificates, i), work->oaep);
    succeeded(CMS_final(cms, in, NULL, CMS_BINARY));
    succeeded(SMIME_write_CMS(out, cms, NULL, CMS_BINARY));
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    return out;
}

static BIO *decrypt(const struct work *work)
{
    BIO *in = checked(BIO_new_mem_buf(work->mail, (int)work->size)), *out = checked(BIO_new(BIO_s_mem())), *rest = NULL;
    CMS_ContentInfo *cms = checked(SMIME_read_CMS(in, &rest));
    succeeded(CMS_decrypt(cms, work->key, work->certificate, NULL, out, CMS_BINARY));
    CMS_ContentInfo_free(cms);
    BIO_free(rest);
    BIO_free(in);
    return out;
}

static BIO *sign(const struct work *work)
{
    int flags = CMS_DETACHED | CMS_STREAM; /* in canonical form, and hashed as it is written */
    BIO *in = checked(BIO_new_mem_buf(work->mail, (int)work->size)), *out = checked(BIO_new(BIO_s_mem()));
    CMS_ContentInfo *cms = checked(CMS_sign(work->certificate, work->key, NULL, in, flags));
    succeeded(SMIME_write_CMS(out, cms, in, flags));
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    return out;
}

static BIO *verify(const struct work *work)
{
    BIO *in = checked(BIO_new_mem_buf(work->mail, (int)work->size)), *out = checked(BIO_new(BIO_s_mem())), *rest = NULL;
    CMS_ContentInfo *cms = checked(SMIME_read_CMS(in, &rest));
    succeeded(CMS_verify(cms, NULL, work->trusted, rest, out, 0));
    CMS_ContentInfo_free(cms);
    BIO_free(rest);
    BIO_free(in);
    return out;
}

static long repeat(const struct work *work, BIO *(*step)(const struct work *), double seconds, const char *path)
{
    long count = 0;
    for (double end = cpu() + seconds; count == 0 || cpu() < end; count++) {
        BIO *out = step(work);
        if (path != NULL && count == 0) {
            const char *data;
            long size = BIO_get_mem_data(out, &data);
            BIO *file = checked(BIO_new_file(path, "wb"));
            succeeded(BIO_write(file, data, (int)size));
            BIO_free(file);
        }
        BIO_free(out);
    }
    return count;
}

int main(int count, char **words)
{
    int encrypting = count > 1 && strcmp(words[1], "enc") == 0;
    struct work work = {.oaep = has(count, words, "--oaep")};
    work.cipher = strcmp(option(count, words, "--cipher", ""), "aes128cbc") == 0 ? EVP_aes_128_cbc() : EVP_aes_256_gcm();
    read_mail(&work, option(count, words, "--in", ""));
    if (encrypting) {
        work.certificates = read_certificates(option(count, words, "--certs", ""));
    } else {
        BIO *file = checked(BIO_new_file(option(count, words, "--key", ""), "rb"));
        work.key = checked(PEM_read_bio_PrivateKey(file, NULL, NULL, NULL));
        work.certificate = checked(sk_X509_value(read_certificates(option(count, words, "--cert", "")), 0));
        BIO_free(file);
    }
    const char *operation = count > 1 ? words[1] : "";
    BIO *(*step)(const struct work *) = encrypting ? encrypt : decrypt;
    if (strcmp(operation, "sig") == 0)
        step = sign;
    if (strcmp(operation, "ver") == 0) {
        step = verify;
        work.trusted = checked(X509_STORE_new());
        succeeded(X509_STORE_add_cert(work.trusted, work.certificate));
        succeeded(X509_STORE_set_flags(work.trusted, X509_V_FLAG_PARTIAL_CHAIN));
    }
    repeat(&work, step, atof(option(count, words, "--warm", "0")), option(count, words, "--out", NULL));
    double begin = cpu();
    long done = repeat(&work, step, atof(option(count, words, "--secs", "0")), NULL);
    printf("{\"n\": %ld, \"cpu\": %.9f}\n", done, cpu() - begin);
    return 0;
}
