// The assembler's own promises: registers by role, loops, constants, lanes masks, errors as values; and code memory
// that is never writable and executable at once.
#include "jit/asm/assembler.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "engine/base/cpu.h"
#include "jit/code_memory.h"
#include "jit/kernel_cache.h"

namespace quadlane {
namespace {

struct Args {
  int64_t count = 0;
  int64_t result = 0;
  uint32_t lanes[16] = {};
  uint16_t word = 0;
};

// Assembles for AVX2, loads and calls.
void run(const std::function<void(Assembler&)>& body, Args& args, const CodeMemoryOptions& options = {}) {
  auto code = assemble("test kernel", Isa::avx2, {.poison_registers = true}, body);
  ASSERT_TRUE(code.ok()) << code.error().text();
  CodeMemory memory;
  size_t at = memory.place(*code);
  Status sealed = memory.seal(options);
  ASSERT_TRUE(sealed.ok()) << sealed.error().text();
  memory.entry(at)(&args);
}

bool can_run() { return detect_cpu().runs(Isa::avx2); }

TEST(Assembler, LoopsRunAsOftenAsAsked) {
  if (!can_run()) GTEST_SKIP() << "this CPU has no AVX2";
  for (int64_t times : {0, 1, 2, 7}) {
    Args args{.count = times};
    run(
        [&](Assembler& a) {
          Gp sum = a.gp("sum"), count = a.gp("count");
          a.xor_(sum, sum);
          a.load_arg(count, offsetof(Args, count));
          a.loop(count, [&] { a.loop(times, [&] { a.add(sum, 1); }); });
          a.mov(a.ptr[a.args() + offsetof(Args, result)], sum);
        },
        args);
    EXPECT_EQ(args.result, times * times);
  }
}

TEST(Assembler, LanesWordsSelectPixels) {
  if (!can_run()) GTEST_SKIP() << "this CPU has no AVX2";
  Args args{.word = 0b1010'0001'1100'0111};
  run(
      [&](Assembler& a) {
        Vec set = a.vec("set"), clear = a.vec("clear");
        Mask mask = a.mask("lanes");
        a.load(clear, a.constant_lanes(7));
        for (int half = 0; half < a.registers(); ++half) {
          a.load(set,
                 a.constant_vector({100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115},
                                   half * a.lanes()));
          a.load_lanes(mask, a.ptr[a.args() + offsetof(Args, word)], half);
          a.blend(set, mask, set, clear);
          a.store(a.ptr[a.args() + (offsetof(Args, lanes) + 32u * static_cast<size_t>(half))], set);
        }
      },
      args);
  for (uint32_t i = 0; i < 16; ++i) EXPECT_EQ(args.lanes[i], (args.word >> i & 1) ? 100 + i : 7) << i;
}

TEST(Assembler, RegistersReturnWithTheirScope) {
  auto code = assemble("scopes", Isa::avx512_vnni, {}, [](Assembler& a) {
    for (int round = 0; round < 3; ++round) {
      auto all = a.vecs("acc", 32);
      EXPECT_EQ(a.free_vecs(), 0);
      all.back().release();
      EXPECT_EQ(a.free_vecs(), 1);
    }
    EXPECT_EQ(a.free_vecs(), 32);
  });
  EXPECT_TRUE(code.ok());
}

TEST(Assembler, RunningOutNamesTheRoleAndTheKernel) {
  auto code = assemble("conv pv9", Isa::avx2, {}, [](Assembler& a) {
    auto all = a.vecs("acc", 16);
    Vec weights = a.vec("weights");
  });
  ASSERT_FALSE(code.ok());
  EXPECT_EQ(code.error().message.find("conv pv9: out of vector registers at 'weights', in use: acc0 acc1"), 0u)
      << code.error().message;
}

TEST(Assembler, ErrorsOfTheEncoderAreValues) {
  auto code = assemble("bad", Isa::avx2, {}, [](Assembler& a) { a.jmp("nowhere"); });
  ASSERT_FALSE(code.ok());
  EXPECT_EQ(code.error().message.find("bad: assembler: "), 0u) << code.error().message;
  EXPECT_FALSE(assemble("none", Isa::reference, {}, [](Assembler&) {}).ok());
}

TEST(Assembler, SameInputSameBytes) {
  auto make = [] {
    return assemble("twice", Isa::avx512_vnni, {}, [](Assembler& a) {
      Vec v = a.vec("v");
      a.note("load");
      a.load(v, a.constant_lanes(3));
      a.bit_or(v, v, a.constant_lanes(3));
    });
  };
  auto first = make(), second = make();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->bytes, second->bytes);
  EXPECT_EQ(first->notes.front().text, "load");
  // One 64-byte constant, although asked for twice.
  EXPECT_EQ(first->bytes.size(), (first->instruction_bytes + 63u) / 64 * 64 + 64);
}

// "rwx" flags of the mapping that holds an address.
std::string flags_of(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t low = 0, high = 0;
    char flags[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &low, &high, flags) == 3)
      if (auto at = reinterpret_cast<uint64_t>(address); low <= at && at < high) return flags;
  }
  return "";
}

TEST(CodeMemory, IsNeverWritableAndExecutable) {
  auto code = assemble("ret", Isa::avx2, {}, [](Assembler&) {});
  ASSERT_TRUE(code.ok());
  for (bool dual : {true, false}) {
    CodeMemory memory;
    EXPECT_STREQ(memory.method(), "not sealed");
    size_t first = memory.place(*code), second = memory.place(*code);
    EXPECT_EQ(second % kCodeAlignment, 0u);
    ASSERT_TRUE(memory.seal({.dual_mapping = dual}).ok());
    EXPECT_EQ(flags_of(memory.base()).substr(0, 3), "r-x");
    EXPECT_STREQ(memory.method(), dual ? "dual mapping" : "read-write, then read-execute");
    EXPECT_EQ(std::memcmp(reinterpret_cast<const void*>(memory.entry(second)), code->bytes.data(), code->bytes.size()),
              0);
    Args args;
    memory.entry(first)(&args);
    memory.entry(second)(&args);
    EXPECT_FALSE(memory.seal().ok());
  }
}

TEST(KernelCache, GeneratesEqualKernelsOnce) {
  KernelCache cache;
  int generated = 0;
  auto make = [&]() -> Result<MachineCode> {
    ++generated;
    return assemble("k", Isa::avx2, {}, [](Assembler&) {});
  };
  auto a = cache.find_or_generate("a", make), b = cache.find_or_generate("b", make),
       c = cache.find_or_generate("a", make);
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  EXPECT_EQ(*a, *c);
  EXPECT_NE(*a, *b);
  EXPECT_EQ(generated, 2);
  auto loaded = cache.load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->entries.size(), 2u);
  EXPECT_TRUE(loaded->memory.sealed());
}

}  // namespace
}  // namespace quadlane
