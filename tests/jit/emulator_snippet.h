// What the emulator's tests share: a snippet of code between loads of its sources and a store of its result.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <random>

#include "jit/asm/assembler.h"
#include "tests/support/emulator.h"

namespace quadlane::testing {

using Bytes = std::array<uint8_t, 64>;

// Three sources, the result (which starts as `d`), one mask word.
struct Args {
  Bytes a, b, c, d;
  uint64_t mask;
};

template <class T>
T at(const Bytes& v, size_t i) {
  T x;
  std::memcpy(&x, v.data() + i * sizeof(T), sizeof(T));
  return x;
}

// Bytes at random, with dwords now and then that are interesting as numbers.
inline Bytes random_bytes(std::mt19937& rng) {
  static constexpr uint32_t kSpecial[] = {0,          1,          0x7fffffff, 0x80000000, 0xffffffff, 0x3f000000,
                                          0x3fc00000, 0x40200000, 0x4f000000, 0xcf000000, 0x7fc00000, 0x7f800000,
                                          0xff800000, 0x00ff00ff, 0x80008000, 0x437f0000, 0x80000000, 0x42fe8000};
  Bytes v;
  for (size_t i = 0; i < 16; ++i) {
    uint32_t x = rng();
    if (rng() % 3 == 0) x = kSpecial[rng() % std::size(kSpecial)];
    if (rng() % 4 == 0) x = std::bit_cast<uint32_t>(static_cast<float>(static_cast<int>(rng() % 2001) - 1000) / 4);
    std::memcpy(v.data() + 4 * i, &x, 4);
  }
  return v;
}

inline Args random_args(std::mt19937& rng) {
  return {random_bytes(rng), random_bytes(rng), random_bytes(rng), random_bytes(rng), rng() | uint64_t{rng()} << 32};
}

// a, b, c in registers 1, 2, 3; the body leaves its result in register 0, which starts as d; k1 = mask.
inline Result<MachineCode> snippet(Isa isa, const std::function<void(Assembler&)>& body) {
  return assemble("snippet", isa, {}, [&](Assembler& a) {
    auto v = a.vecs("v", 8);
    a.load(v[1], a.ptr[a.args() + offsetof(Args, a)]);
    a.load(v[2], a.ptr[a.args() + offsetof(Args, b)]);
    a.load(v[3], a.ptr[a.args() + offsetof(Args, c)]);
    a.load(v[0], a.ptr[a.args() + offsetof(Args, d)]);
    if (a.avx512()) a.kmovq(Xbyak::Opmask(1), a.ptr[a.args() + offsetof(Args, mask)]);
    body(a);
    a.store(a.ptr[a.args() + offsetof(Args, d)], v[0]);
  });
}

inline Args emulate(const MachineCode& code, Isa isa, Args args) {
  Emulator emulator(code, isa, /*vbmi=*/isa == Isa::avx512_vnni);
  emulator.allow(&args, sizeof args, Access::read_write, "args");
  Status status = emulator.run(&args);
  EXPECT_TRUE(status.ok()) << status.error().text();
  return args;
}

}  // namespace quadlane::testing
