#pragma once
// Function-like macros are not imported into Swift; the wrappers below stand in for them.
#include <openssl/ssl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/srtp.h>
#include <openssl/bio.h>
