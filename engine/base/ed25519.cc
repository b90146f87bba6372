#include "engine/base/ed25519.h"

#include <algorithm>

#include "engine/base/curve25519.h"
#include "engine/base/sha512.h"

namespace quadlane {
namespace {

// The order of the base point, 2^252 + 27742317777372353535851937790883648493; words from the lowest.
constexpr uint64_t kOrder[4] = {0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0x0000000000000000, 0x1000000000000000};

// a - order, and whether it is not negative.
bool subtract_order(const uint64_t (&a)[4], uint64_t (&result)[4]) {
  unsigned borrow = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned __int128 difference = static_cast<unsigned __int128>(a[i]) - kOrder[i] - borrow;
    result[i] = static_cast<uint64_t>(difference);
    borrow = static_cast<unsigned>(difference >> 64) & 1;
  }
  return borrow == 0;
}

template <size_t N>
void load(std::span<const uint8_t> bytes, uint64_t (&words)[N]) {
  for (size_t i = 0; i < N; ++i) {
    words[i] = 0;
    for (size_t k = 0; k < 8; ++k) words[i] |= uint64_t{bytes[8 * i + k]} << (8 * k);
  }
}

// A number of 512 bits modulo the order, bit by bit from the highest, in the same time for all of them.
Bytes32 modulo_order(const uint64_t (&number)[8]) {
  uint64_t rest[4] = {};
  for (int bit = 511; bit >= 0; --bit) {
    for (int i = 3; i > 0; --i) rest[i] = rest[i] << 1 | rest[i - 1] >> 63;
    rest[0] = rest[0] << 1 | (number[bit / 64] >> (bit % 64) & 1);
    uint64_t less[4];
    const uint64_t take = uint64_t{0} - uint64_t{subtract_order(rest, less)};
    for (int i = 0; i < 4; ++i) rest[i] = (rest[i] & ~take) | (less[i] & take);
  }
  Bytes32 bytes;
  for (size_t i = 0; i < 32; ++i) bytes[i] = static_cast<uint8_t>(rest[i / 8] >> (8 * (i % 8)));
  return bytes;
}
Bytes32 modulo_order(const Sha512Digest& digest) {
  uint64_t number[8];
  load(digest, number);
  return modulo_order(number);
}

// (a b + c) modulo the order
Bytes32 multiply_add(const Bytes32& a, const Bytes32& b, const Bytes32& c) {
  uint64_t x[4], y[4], product[8] = {};
  load(a, x), load(b, y);
  uint64_t low[4];
  load(c, low);
  std::copy_n(low, 4, product);
  for (int i = 0; i < 4; ++i) {
    unsigned __int128 carry = 0;
    for (int k = 0; k < 4; ++k) {
      carry += static_cast<unsigned __int128>(x[i]) * y[k] + product[i + k];
      product[i + k] = static_cast<uint64_t>(carry);
      carry >>= 64;
    }
    for (int k = i + 4; carry && k < 8; ++k) {
      carry += product[k];
      product[k] = static_cast<uint64_t>(carry);
      carry >>= 64;
    }
  }
  return modulo_order(product);
}

// What a seed stands for: the secret scalar, and what nonces are derived from.
struct Secret {
  explicit Secret(const Ed25519Key& seed) {
    const Sha512Digest digest = Sha512().add(seed).finish();
    std::copy_n(digest.begin(), 32, scalar.begin());
    std::copy_n(digest.begin() + 32, 32, prefix.begin());
    scalar[0] &= 0xf8;
    scalar[31] = static_cast<uint8_t>((scalar[31] & 0x7f) | 0x40);
  }
  Bytes32 scalar, prefix;
};

Bytes32 challenge(const Bytes32& r, const Ed25519Key& key, std::span<const uint8_t> message) {
  return modulo_order(Sha512().add(r).add(key).add(message).finish());
}

}  // namespace

Ed25519Key ed25519_public_key(const Ed25519Key& seed) { return (Secret(seed).scalar * CurvePoint::base()).encode(); }

Ed25519Signature ed25519_sign(std::span<const uint8_t> message, const Ed25519Key& seed) {
  const Secret secret(seed);
  const Ed25519Key key = ed25519_public_key(seed);
  const Bytes32 nonce = modulo_order(Sha512().add(secret.prefix).add(message).finish());
  const Bytes32 r = (nonce * CurvePoint::base()).encode();
  const Bytes32 s = multiply_add(challenge(r, key, message), secret.scalar, nonce);
  Ed25519Signature signature;
  std::copy(s.begin(), s.end(), std::copy(r.begin(), r.end(), signature.begin()));
  return signature;
}

// s B = R + k A
bool ed25519_verify(std::span<const uint8_t> message, const Ed25519Signature& signature, const Ed25519Key& public_key) {
  Bytes32 r, s;
  std::copy_n(signature.begin(), 32, r.begin());
  std::copy_n(signature.begin() + 32, 32, s.begin());
  uint64_t number[4], ignored[4];
  load(s, number);
  if (subtract_order(number, ignored)) return false;
  const auto key = CurvePoint::decode(public_key);
  if (!key) return false;
  const Bytes32 k = challenge(r, public_key, message);
  return (s * CurvePoint::base() + k * -*key).encode() == r;
}

}  // namespace quadlane
