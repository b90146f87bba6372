#include "engine/base/curve25519.h"

namespace quadlane {
namespace {

using Wide = unsigned __int128;
constexpr uint64_t kMask = (uint64_t{1} << 51) - 1;

constexpr FieldElement kOne = {{1}};
constexpr FieldElement kD = {
    {0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff}};  // -121665 / 121666
constexpr FieldElement kRootOfMinusOne = {
    {0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d}};

// Limbs of at most 52 bits. 2^255 = 19 modulo p.
FieldElement carried(FieldElement a) {
  uint64_t carry = 0;
  for (uint64_t& limb : a.limb) {
    limb += carry;
    carry = limb >> 51;
    limb &= kMask;
  }
  a.limb[0] += 19 * carry;
  return a;
}

// x^e for e = 2^bits - 256 + low: ones above the lowest byte.
FieldElement power(const FieldElement& x, int bits, unsigned low) {
  FieldElement result = kOne;
  for (int i = bits - 1; i >= 0; --i) {
    result = result * result;
    if (i >= 8 || (low >> i & 1)) result = result * x;
  }
  return result;
}
FieldElement inverse(const FieldElement& x) { return power(x, 255, 0xeb); }  // x^(p - 2)

bool same(const FieldElement& a, const FieldElement& b) { return a.bytes() == b.bytes(); }
bool is_odd(const FieldElement& a) { return a.bytes()[0] & 1; }

}  // namespace

FieldElement operator+(const FieldElement& a, const FieldElement& b) {
  FieldElement sum;
  for (int i = 0; i < 5; ++i) sum.limb[i] = a.limb[i] + b.limb[i];
  return carried(sum);
}

FieldElement operator-(const FieldElement& a, const FieldElement& b) {
  FieldElement difference;  // 4p is added, so that no limb is negative
  for (int i = 0; i < 5; ++i) difference.limb[i] = a.limb[i] + 4 * (kMask - (i == 0 ? 18 : 0)) - b.limb[i];
  return carried(difference);
}

FieldElement operator*(const FieldElement& a, const FieldElement& b) {
  Wide sum[5] = {};
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 5; ++j) {
      const uint64_t factor = i + j >= 5 ? 19 : 1;
      sum[(i + j) % 5] += Wide{a.limb[i]} * (factor * b.limb[j]);
    }
  FieldElement product;
  Wide carry = 0;
  for (int i = 0; i < 5; ++i) {
    sum[i] += carry;
    product.limb[i] = static_cast<uint64_t>(sum[i]) & kMask;
    carry = sum[i] >> 51;
  }
  carry = carry * 19 + product.limb[0];
  product.limb[0] = static_cast<uint64_t>(carry) & kMask;
  product.limb[1] += static_cast<uint64_t>(carry >> 51);
  return product;
}

FieldElement FieldElement::from(const Bytes32& bytes) {
  FieldElement a;
  for (int bit = 0; bit < 255; ++bit)
    a.limb[bit / 51] |= uint64_t{static_cast<uint8_t>(bytes[static_cast<size_t>(bit / 8)] >> (bit % 8) & 1)}
                        << (bit % 51);
  return a;
}

Bytes32 FieldElement::bytes() const {
  FieldElement a = carried(carried(carried(*this)));  // below 2^255, and so below 2p
  FieldElement less = a;                              // a + 19 carries out of 255 bits where a is at least p
  less.limb[0] += 19;
  uint64_t carry = 0;
  for (uint64_t& limb : less.limb) {
    limb += carry;
    carry = limb >> 51;
    limb &= kMask;
  }
  const uint64_t take = uint64_t{0} - carry;  // all ones where p was to be subtracted
  for (int i = 0; i < 5; ++i) a.limb[i] = (a.limb[i] & ~take) | (less.limb[i] & take);
  Bytes32 bytes{};
  for (int bit = 0; bit < 255; ++bit)
    bytes[static_cast<size_t>(bit / 8)] |= static_cast<uint8_t>((a.limb[bit / 51] >> (bit % 51) & 1) << (bit % 8));
  return bytes;
}

CurvePoint CurvePoint::zero() {
  CurvePoint p;
  p.y_ = p.z_ = kOne;
  return p;
}

CurvePoint CurvePoint::base() {
  Bytes32 encoded;
  encoded.fill(0x66);
  encoded[0] = 0x58;  // y = 4 / 5, x even
  return *decode(encoded);
}

// x^2 = u / v with u = y^2 - 1, v = d y^2 + 1: a root, if there is one, is u v^3 (u v^7)^((p - 5) / 8) or sqrt(-1)
// times it.
std::optional<CurvePoint> CurvePoint::decode(const Bytes32& bytes) {
  CurvePoint p;
  const bool odd = bytes[31] >> 7;
  p.y_ = FieldElement::from(bytes);
  p.z_ = kOne;
  Bytes32 canonical = p.y_.bytes();
  canonical[31] |= bytes[31] & 0x80;
  if (canonical != bytes) return {};
  const FieldElement square = p.y_ * p.y_, u = square - kOne, v = kD * square + kOne, v3 = v * v * v;
  p.x_ = u * v3 * power(u * v3 * v3 * v, 252, 0xfd);
  const FieldElement check = v * p.x_ * p.x_;
  if (same(check, FieldElement() - u))
    p.x_ = p.x_ * kRootOfMinusOne;
  else if (!same(check, u))
    return {};
  if (same(p.x_, {}) && odd) return {};
  if (is_odd(p.x_) != odd) p.x_ = FieldElement() - p.x_;
  p.t_ = p.x_ * p.y_;
  return p;
}

Bytes32 CurvePoint::encode() const {
  const FieldElement scale = inverse(z_);
  Bytes32 bytes = (y_ * scale).bytes();
  bytes[31] |= static_cast<uint8_t>(is_odd(x_ * scale) << 7);
  return bytes;
}

CurvePoint CurvePoint::operator-() const {
  CurvePoint p = *this;
  p.x_ = FieldElement() - x_, p.t_ = FieldElement() - t_;
  return p;
}

// Complete: also for equal points and for zero.
CurvePoint operator+(const CurvePoint& p, const CurvePoint& q) {
  const FieldElement a = (p.y_ - p.x_) * (q.y_ - q.x_), b = (p.y_ + p.x_) * (q.y_ + q.x_);
  const FieldElement c = p.t_ * (kD + kD) * q.t_, d = p.z_ * (q.z_ + q.z_);
  const FieldElement e = b - a, f = d - c, g = d + c, h = b + a;
  CurvePoint sum;
  sum.x_ = e * f, sum.y_ = g * h, sum.t_ = e * h, sum.z_ = f * g;
  return sum;
}

CurvePoint operator*(const Bytes32& scalar, const CurvePoint& p) {
  CurvePoint sum = CurvePoint::zero();
  for (int bit = 255; bit >= 0; --bit) {
    sum = sum + sum;
    CurvePoint with = sum + p;
    const uint64_t take = uint64_t{0} - (scalar[static_cast<size_t>(bit / 8)] >> (bit % 8) & 1);
    FieldElement* to[] = {&sum.x_, &sum.y_, &sum.z_, &sum.t_};
    const FieldElement* from[] = {&with.x_, &with.y_, &with.z_, &with.t_};
    for (int i = 0; i < 4; ++i)
      for (int k = 0; k < 5; ++k) to[i]->limb[k] = (to[i]->limb[k] & ~take) | (from[i]->limb[k] & take);
  }
  return sum;
}

}  // namespace quadlane
