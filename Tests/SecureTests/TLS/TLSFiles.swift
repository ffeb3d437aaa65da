import COpenSSL
import Testing

@testable import Secure

/// A self-signed certificate and its key as PEM files.
struct TLSFiles {
    let certificate: [UInt8]
    let key: [UInt8]
    let encryptedKey: [UInt8]

    init(_ identity: DTLSIdentity) throws {
        certificate = unsafe try Self.text { unsafe PEM_write_bio_X509($0, identity.certificate()) }
        key = unsafe try Self.text { bio in
            unsafe PEM_write_bio_PrivateKey(bio, SSL_CTX_get0_privatekey(identity.context), nil, nil, 0, nil, nil)
        }
        encryptedKey = unsafe try Self.text { bio in
            var password = Array("secret".utf8)
            return unsafe PEM_write_bio_PrivateKey(
                bio, SSL_CTX_get0_privatekey(identity.context), EVP_aes_128_cbc(), &password, CInt(password.count), nil,
                nil)
        }
    }

    private static func text(_ write: (OpaquePointer) -> CInt) throws -> [UInt8] {
        let bio = unsafe try #require(BIO_new(BIO_s_mem()))
        defer { unsafe BIO_free(bio) }
        #expect(unsafe write(bio) == 1)
        var bytes: UnsafeMutablePointer<CChar>?
        let count = unsafe COpenSSL_BIO_get_mem_data(bio, &bytes)
        return unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))
    }
}
