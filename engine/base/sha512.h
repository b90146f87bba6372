// SHA-512 (FIPS 180-4), for signatures.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace quadlane {

using Sha512Digest = std::array<uint8_t, 64>;

class Sha512 {
 public:
  Sha512& add(std::span<const uint8_t> bytes);
  Sha512Digest finish();

 private:
  void block(const uint8_t* bytes);

  std::array<uint64_t, 8> state_ = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
  std::array<uint8_t, 128> rest_{};
  uint64_t count_ = 0;  // bytes so far
};

}  // namespace quadlane
