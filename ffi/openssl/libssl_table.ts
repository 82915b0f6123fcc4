import { TtunError } from "../../src/base/errors.ts";
import { type Library, openLibrary } from "../library.ts";

/** Functions of libssl 3, and of the libcrypto that it brings along. */
const TABLE = {
  TLS_client_method: { parameters: [], result: "pointer" },
  TLS_server_method: { parameters: [], result: "pointer" },
  SSL_CTX_new: { parameters: ["pointer"], result: "pointer" },
  SSL_CTX_free: { parameters: ["pointer"], result: "void" },
  SSL_CTX_ctrl: { parameters: ["pointer", "i32", "i64", "pointer"], result: "i64" },
  SSL_CTX_set_options: { parameters: ["pointer", "u64"], result: "u64" },
  SSL_CTX_set_num_tickets: { parameters: ["pointer", "usize"], result: "i32" },
  SSL_CTX_set_verify: { parameters: ["pointer", "i32", "pointer"], result: "void" },
  SSL_CTX_set_default_verify_paths: { parameters: ["pointer"], result: "i32" },
  SSL_CTX_load_verify_file: { parameters: ["pointer", "buffer"], result: "i32" },
  SSL_CTX_set_default_passwd_cb_userdata: { parameters: ["pointer", "buffer"], result: "void" },
  SSL_CTX_use_certificate_chain_file: { parameters: ["pointer", "buffer"], result: "i32" },
  SSL_CTX_use_PrivateKey_file: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  SSL_CTX_check_private_key: { parameters: ["pointer"], result: "i32" },
  SSL_CTX_set_session_id_context: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  SSL_CTX_set_timeout: { parameters: ["pointer", "i64"], result: "i64" },
  SSL_session_reused: { parameters: ["pointer"], result: "i32" },
  PEM_read_bio_X509: { parameters: ["pointer", "pointer", "pointer", "buffer"], result: "pointer" },
  PEM_read_bio_PrivateKey: {
    parameters: ["pointer", "pointer", "pointer", "buffer"],
    result: "pointer",
  },
  BIO_free: { parameters: ["pointer"], result: "i32" },
  SSL_CTX_get0_certificate: { parameters: ["pointer"], result: "pointer" },
  SSL_CTX_set_alpn_protos: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  SSL_CTX_set_alpn_select_cb: { parameters: ["pointer", "function", "pointer"], result: "void" },
  SSL_select_next_proto: {
    parameters: ["pointer", "pointer", "buffer", "u32", "pointer", "u32"],
    result: "i32",
  },
  SSL_get0_alpn_selected: { parameters: ["pointer", "buffer", "buffer"], result: "void" },
  SSL_new: { parameters: ["pointer"], result: "pointer" },
  SSL_free: { parameters: ["pointer"], result: "void" },
  SSL_ctrl: { parameters: ["pointer", "i32", "i64", "buffer"], result: "i64" },
  SSL_set_options: { parameters: ["pointer", "u64"], result: "u64" },
  SSL_set1_host: { parameters: ["pointer", "buffer"], result: "i32" },
  SSL_set_hostflags: { parameters: ["pointer", "u32"], result: "void" },
  SSL_get0_param: { parameters: ["pointer"], result: "pointer" },
  X509_VERIFY_PARAM_set1_ip_asc: { parameters: ["pointer", "buffer"], result: "i32" },
  SSL_set_connect_state: { parameters: ["pointer"], result: "void" },
  SSL_set_accept_state: { parameters: ["pointer"], result: "void" },
  SSL_set_bio: { parameters: ["pointer", "pointer", "pointer"], result: "void" },
  SSL_set0_rbio: { parameters: ["pointer", "pointer"], result: "void" },
  SSL_do_handshake: { parameters: ["pointer"], result: "i32" },
  SSL_read: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  SSL_write: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  SSL_shutdown: { parameters: ["pointer"], result: "i32" },
  SSL_get_error: { parameters: ["pointer", "i32"], result: "i32" },
  SSL_get_verify_result: { parameters: ["pointer"], result: "i64" },
  SSL_get1_peer_certificate: { parameters: ["pointer"], result: "pointer" },
  X509_free: { parameters: ["pointer"], result: "void" },
  X509_digest: { parameters: ["pointer", "pointer", "buffer", "buffer"], result: "i32" },
  X509_verify_cert_error_string: { parameters: ["i64"], result: "pointer" },
  EVP_sha256: { parameters: [], result: "pointer" },
  EVP_blake2s256: { parameters: [], result: "pointer" },
  EVP_PKEY_CTX_new_from_name: { parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  EVP_PKEY_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_PKEY_keygen_init: { parameters: ["pointer"], result: "i32" },
  EVP_PKEY_generate: { parameters: ["pointer", "buffer"], result: "i32" },
  EVP_PKEY_free: { parameters: ["pointer"], result: "void" },
  X509_new: { parameters: [], result: "pointer" },
  X509_set_version: { parameters: ["pointer", "i64"], result: "i32" },
  X509_get_serialNumber: { parameters: ["pointer"], result: "pointer" },
  ASN1_INTEGER_set_uint64: { parameters: ["pointer", "u64"], result: "i32" },
  X509_getm_notBefore: { parameters: ["pointer"], result: "pointer" },
  X509_getm_notAfter: { parameters: ["pointer"], result: "pointer" },
  X509_gmtime_adj: { parameters: ["pointer", "i64"], result: "pointer" },
  X509_get_subject_name: { parameters: ["pointer"], result: "pointer" },
  X509_NAME_add_entry_by_txt: {
    parameters: ["pointer", "buffer", "i32", "buffer", "i32", "i32", "i32"],
    result: "i32",
  },
  X509_set_issuer_name: { parameters: ["pointer", "pointer"], result: "i32" },
  X509_set_pubkey: { parameters: ["pointer", "pointer"], result: "i32" },
  X509V3_EXT_conf_nid: {
    parameters: ["pointer", "pointer", "i32", "buffer"],
    result: "pointer",
  },
  X509_add_ext: { parameters: ["pointer", "pointer", "i32"], result: "i32" },
  X509_EXTENSION_free: { parameters: ["pointer"], result: "void" },
  X509_sign: { parameters: ["pointer", "pointer", "pointer"], result: "i32" },
  SSL_CTX_use_certificate: { parameters: ["pointer", "pointer"], result: "i32" },
  SSL_CTX_use_PrivateKey: { parameters: ["pointer", "pointer"], result: "i32" },
  BIO_s_mem: { parameters: [], result: "pointer" },
  BIO_new: { parameters: ["pointer"], result: "pointer" },
  BIO_new_mem_buf: { parameters: ["buffer", "i32"], result: "pointer" },
  BIO_ctrl: { parameters: ["pointer", "i32", "i64", "pointer"], result: "i64" },
  BIO_read: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  CRYPTO_memcmp: { parameters: ["usize", "buffer", "usize"], result: "i32" },
  ERR_get_error: { parameters: [], result: "u64" },
  ERR_clear_error: { parameters: [], result: "void" },
  ERR_error_string_n: { parameters: ["u64", "buffer", "usize"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

export type LibsslSymbols = Deno.StaticForeignLibraryInterface<typeof TABLE>;

/** File names; those of macOS and Windows have not been run yet. */
const NAMES: Readonly<Partial<Record<typeof Deno.build.os, readonly string[]>>> = {
  darwin: [
    "libssl.3.dylib",
    "/opt/homebrew/opt/openssl@3/lib/libssl.3.dylib",
    "/usr/local/opt/openssl@3/lib/libssl.3.dylib",
  ],
  windows: ["libssl-3-x64.dll", "libssl-3-arm64.dll"],
};
const UNIX_NAMES = ["libssl.so.3"];

/** @throws {TtunError} system, if there is no OpenSSL 3 */
export function openLibsslTable(): Library<typeof TABLE> {
  try {
    return openLibrary(NAMES[Deno.build.os] ?? UNIX_NAMES, TABLE);
  } catch (error) {
    const words = "Cannot use TLS: OpenSSL 3 is missing; install the package libssl3 (Debian, " +
      "Ubuntu), openssl-libs (Fedora) or openssl";
    throw new TtunError("system", words, { cause: error });
  }
}
