"""Certificates and private keys: whom to write to, and what to read with.

=================  ================================================================================
``files``          what a credential file holds: PEM, DER, PKCS#7, PKCS#12, or something else
``certificates``   load certificates
``private_keys``   load private keys as identities
``addresses``      the mail addresses in a certificate, and how to name it to people
``fitness``        check a certificate, make a recipient of it, choose by mail address
``creation``       make a new key with a self-signed certificate
=================  ================================================================================

Nothing is imported here: parsing certificates is worth its start-up time only where it happens.
"""
