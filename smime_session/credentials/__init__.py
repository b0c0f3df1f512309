"""Certificates and private keys: whom to write to, and what to read with.

=================  ================================================================================
``files``          what a credential file holds: PEM, DER, PKCS#7, PKCS#12, or something else
``certificates``   load certificates
``private_keys``   load private keys as identities; ``pkcs8``: what stands around one
``ml_kem``         load those of ML-KEM, locked (``pbes2``) and in PKCS#12 (``pkcs12``) too
``names``          the mail addresses in a certificate, and how to name it to people
``fitness``        check a certificate, make a recipient of it, choose by mail address
``authorities``    tell certificate authorities, who are nobody to write to
``loading``        all that in one step: load, check, make recipients
``reader``         read a certificate as most are, straight from its octets; ``extensions``: what it is for
``preparation``    make recipients of what was read so
``held``           a certificate beside its private key
``listing``        tell what a file holds, without using any of it
``creation``       make a new key and a certificate for it
``quiet``          keep the cryptography library's warnings from callers
=================  ================================================================================

Nothing is imported here: parsing certificates is worth its start-up time only where it happens.
"""
