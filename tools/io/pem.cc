#include "tools/io/pem.h"

#include <algorithm>

#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

// Without white space; stops at what is no digit of base 64.
std::string decode_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    const size_t digit = kDigits.find(c);
    if (digit == kDigits.npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 255);
  }
  return bytes;
}

}  // namespace

Result<Ed25519Key> read_signing_seed(const std::string& path) {
  constexpr std::string_view kBegin = "-----BEGIN PRIVATE KEY-----", kEnd = "-----END PRIVATE KEY-----";
  // SEQUENCE { INTEGER 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING of 32 bytes } }
  constexpr std::string_view kAsn1("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", 16);
  QL_TRY(const std::string text, read_file(path, 65536));
  const size_t begin = text.find(kBegin), end = text.find(kEnd);
  std::string der;
  if (begin != text.npos && end != text.npos && begin < end)
    der = decode_base64(std::string_view(text).substr(begin + kBegin.size(), end - begin - kBegin.size()));
  Ed25519Key seed;
  if (der.size() != kAsn1.size() + seed.size() || der.compare(0, kAsn1.size(), kAsn1) != 0)
    return invalid_argument("'", path, "' is no Ed25519 private key (openssl genpkey -algorithm ed25519 makes one)");
  std::copy(der.begin() + static_cast<std::ptrdiff_t>(kAsn1.size()), der.end(), seed.begin());
  return seed;
}

}  // namespace quadlane::tools
