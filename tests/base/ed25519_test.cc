// RFC 8032, section 7.1, and what a verifier must refuse.
#include "engine/base/ed25519.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/curve25519.h"
#include "engine/base/sha512.h"

namespace quadlane {
namespace {

std::vector<uint8_t> bytes_of(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}
template <class Array>
Array array_of(const std::string& hex) {
  Array array{};
  const std::vector<uint8_t> bytes = bytes_of(hex);
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

struct Vector {
  const char *seed, *key, *message, *signature;
};
const Vector kVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
     "55141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
     "00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
     "027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2"
     "a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad"
     "9bef1177331a704"},
};

TEST(Sha512, Vectors) {  // FIPS 180-4; lengths around the padding's limits agree when they come in pieces
  const std::vector<uint8_t> abc = {'a', 'b', 'c'};
  EXPECT_EQ(Sha512().add(abc).finish(),
            array_of<Sha512Digest>("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836b"
                                   "a3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"));
  for (size_t n : {0, 1, 111, 112, 127, 128, 129, 239, 240, 256, 1000}) {
    const std::vector<uint8_t> message(n, 0x5a);
    Sha512 pieces;
    for (size_t at = 0, step = 1; at < n; at += step, step = step % 37 + 1)
      pieces.add(std::span(message).subspan(at, std::min(step, n - at)));
    EXPECT_EQ(pieces.finish(), Sha512().add(message).finish()) << n;
  }
}

TEST(Ed25519, VectorsOfRfc8032) {
  for (const Vector& v : kVectors) {
    const auto seed = array_of<Ed25519Key>(v.seed), key = array_of<Ed25519Key>(v.key);
    const auto signature = array_of<Ed25519Signature>(v.signature);
    const std::vector<uint8_t> message = bytes_of(v.message);
    EXPECT_EQ(ed25519_public_key(seed), key);
    EXPECT_EQ(ed25519_sign(message, seed), signature);
    EXPECT_TRUE(ed25519_verify(message, signature, key));
  }
}

TEST(Ed25519, EveryFlippedBitIsRefused) {
  const Vector& v = kVectors[2];
  const auto key = array_of<Ed25519Key>(v.key);
  const auto signature = array_of<Ed25519Signature>(v.signature);
  const std::vector<uint8_t> message = bytes_of(v.message);
  for (size_t bit = 0; bit < 512; ++bit) {
    Ed25519Signature other = signature;
    other[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(ed25519_verify(message, other, key)) << bit;
  }
  for (size_t bit = 0; bit < 256; ++bit) {
    Ed25519Key other = key;
    other[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(ed25519_verify(message, signature, other)) << bit;
  }
  EXPECT_FALSE(ed25519_verify(bytes_of("af83"), signature, key));
}

// s + order signs the same message, and must not count (RFC 8032, 8.4).
TEST(Ed25519, OneSignatureHasOneForm) {
  const Vector& v = kVectors[1];
  auto signature = array_of<Ed25519Signature>(v.signature);
  const auto order = array_of<Ed25519Key>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += signature[32 + i] + order[i];
    signature[32 + i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(ed25519_verify(bytes_of(v.message), signature, array_of<Ed25519Key>(v.key)));
}

TEST(Curve25519, FieldAndGroup) {
  // p + 1 is another writing of 1: refused as a point, read as a number.
  const auto above = array_of<Bytes32>("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
  const auto one = array_of<Bytes32>("01");
  EXPECT_EQ(FieldElement::from(above).bytes(), one);
  EXPECT_FALSE(CurvePoint::decode(above));
  EXPECT_TRUE(CurvePoint::decode(one));
  EXPECT_FALSE(CurvePoint::decode(array_of<Bytes32>("02"))) << "no point has y = 2";
  const CurvePoint b = CurvePoint::base();
  EXPECT_EQ((b + -b).encode(), one);
  EXPECT_EQ((array_of<Bytes32>("05") * b).encode(), (b + b + b + b + b).encode());
  const auto order = array_of<Bytes32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  EXPECT_EQ((order * b).encode(), one);
  // The largest limbs that sums leave.
  const auto most =
      FieldElement::from(array_of<Bytes32>("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
  EXPECT_EQ((most * most).bytes(), one);
  EXPECT_EQ(((most + most) * (most + most)).bytes(), array_of<Bytes32>("04"));
  EXPECT_EQ((FieldElement() - most).bytes(), one);
}

}  // namespace
}  // namespace quadlane
