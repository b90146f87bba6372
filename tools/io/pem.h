// Keys as OpenSSL writes them: `openssl genpkey -algorithm ed25519 -out key.pem`.
#pragma once

#include "engine/base/ed25519.h"
#include "engine/base/status.h"

namespace quadlane::tools {

// The seed of an Ed25519 private key in PKCS #8 (RFC 8410).
Result<Ed25519Key> read_signing_seed(const std::string& path);

}  // namespace quadlane::tools
