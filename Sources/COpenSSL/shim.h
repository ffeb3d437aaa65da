#pragma once
// The block functions of SHA-1 and SHA-256 are the only way to an HMAC that allocates nothing; OpenSSL 3
// marks them deprecated and keeps them.
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <sys/time.h>

// Function-like macros are not imported into Swift; the wrappers below stand in for them.

static inline long COpenSSL_BIO_set_mem_eof_return(BIO *bio, long value) { return BIO_set_mem_eof_return(bio, value); }
static inline long COpenSSL_BIO_get_mem_data(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }
static inline int COpenSSL_BIO_reset(BIO *bio) { return BIO_reset(bio); }
static inline EVP_PKEY *COpenSSL_EC_generate(const char *curve) { return EVP_EC_gen(curve); }
static inline EVP_PKEY *COpenSSL_RSA_generate(unsigned int bits) { return EVP_RSA_gen(bits); }
static inline int COpenSSL_ERR_GET_LIB(unsigned long error) { return ERR_GET_LIB(error); }
static inline int COpenSSL_ERR_GET_REASON(unsigned long error) { return ERR_GET_REASON(error); }

static inline long COpenSSL_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}
static inline long COpenSSL_SSL_CTX_set_max_proto_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_max_proto_version(context, version);
}
static inline long COpenSSL_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *groups) {
    return SSL_CTX_set1_groups_list(context, groups);
}
static inline long COpenSSL_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
    return SSL_CTX_set_session_cache_mode(context, mode);
}
static inline long COpenSSL_SSL_CTX_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }
static inline long COpenSSL_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(context, certificate);
}
static inline long COpenSSL_SSL_set_tlsext_host_name(SSL *ssl, const char *name) {
    return SSL_set_tlsext_host_name(ssl, name);
}
static inline long COpenSSL_SSL_set_mtu(SSL *ssl, long mtu) { return SSL_set_mtu(ssl, mtu); }
static inline long COpenSSL_DTLSv1_get_timeout(SSL *ssl, struct timeval *left) { return DTLSv1_get_timeout(ssl, left); }
static inline long COpenSSL_DTLSv1_handle_timeout(SSL *ssl) { return DTLSv1_handle_timeout(ssl); }

/// What every context refuses: renegotiation and compression.
static const uint64_t COpenSSL_refusedFeatures = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
static const uint64_t COpenSSL_NO_TICKET = SSL_OP_NO_TICKET;
static const uint64_t COpenSSL_NO_QUERY_MTU = SSL_OP_NO_QUERY_MTU;
static const uint64_t COpenSSL_CIPHER_SERVER_PREFERENCE = SSL_OP_CIPHER_SERVER_PREFERENCE;
