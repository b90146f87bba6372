// Ed25519 signatures (RFC 8032). The runtime verifies; the command signs.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace quadlane {

using Ed25519Key = std::array<uint8_t, 32>;
using Ed25519Signature = std::array<uint8_t, 64>;

// Strict: one encoding of a key, a point and a scalar each.
bool ed25519_verify(std::span<const uint8_t> message, const Ed25519Signature&, const Ed25519Key& public_key);

Ed25519Key ed25519_public_key(const Ed25519Key& seed);
Ed25519Signature ed25519_sign(std::span<const uint8_t> message, const Ed25519Key& seed);

}  // namespace quadlane
