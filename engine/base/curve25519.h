// The group of Ed25519 (RFC 8032): points of -x^2 + y^2 = 1 + d x^2 y^2 over the integers modulo 2^255 - 19.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace quadlane {

using Bytes32 = std::array<uint8_t, 32>;  // little-endian, as everywhere in RFC 8032

// An integer modulo p = 2^255 - 19 in five limbs of 51 bits, which may be somewhat longer.
struct FieldElement {
  uint64_t limb[5] = {};

  friend FieldElement operator+(const FieldElement&, const FieldElement&);
  friend FieldElement operator-(const FieldElement&, const FieldElement&);
  friend FieldElement operator*(const FieldElement&, const FieldElement&);
  static FieldElement from(const Bytes32&);  // the highest bit is ignored
  Bytes32 bytes() const;                     // below p
};

// x = X / Z, y = Y / Z, x y = T / Z
class CurvePoint {
 public:
  static CurvePoint zero();
  static CurvePoint base();
  // Nothing for bytes that are no point, or not its one encoding.
  static std::optional<CurvePoint> decode(const Bytes32&);
  Bytes32 encode() const;
  CurvePoint operator-() const;
  friend CurvePoint operator+(const CurvePoint&, const CurvePoint&);
  // Takes the same time for all scalars.
  friend CurvePoint operator*(const Bytes32& scalar, const CurvePoint&);

 private:
  FieldElement x_, y_, z_, t_;
};

}  // namespace quadlane
