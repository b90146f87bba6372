// The assembler of all generators: xbyak's mnemonics, plus registers by role, loops, constants, notes, and the few
// operations that differ between the instruction sets.
//
//   auto code = assemble("add_u8 n4", Isa::avx2, {}, [&](Assembler& a) {
//     Gp src = a.gp("src");
//     a.load_arg(src, offsetof(Args, src));
//     a.loop(4, [&] { ... });
//   });
//
// Code is a function of one argument, void(const void* args), System V calling convention. It may use every register:
// those that belong to the caller are saved. Prologue, epilogue and constants are added by assemble().
//
// The instruction set is a value, never asked of the machine: any machine generates for any other. One vector register
// holds lanes() pixels of 4 bytes; the 16-pixel vector of a Geometry is registers() of them. Mnemonics without a
// counterpart in the other encoding (vpand / vpandd, vmovdqu / vmovdqu32, blends) have a method here; all others take
// both register widths.
//
// Constants lie behind the code and are addressed relative to rip: no absolute address may be emitted.
#pragma once

#include <xbyak/xbyak.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/cpu.h"
#include "engine/base/geometry.h"
#include "engine/base/status.h"
#include "jit/asm/registers.h"
#include "jit/machine_code.h"

namespace quadlane {

class Assembler : public Xbyak::CodeGenerator {
 public:
  Assembler(Isa isa, void* buffer, size_t capacity);

  Isa isa() const { return isa_; }
  bool avx512() const { return has_avx512(isa_); }
  bool vnni() const { return has_vnni(isa_); }
  int lanes() const { return vector_lanes(isa_); }
  int vector_bytes() const { return lanes() * kPixelBytes; }
  int registers() const { return kVectorPixels / lanes(); }  // vector registers in a 16-pixel vector

  // --- registers ---------------------------------------------------------------------------------------------------
  Gp gp(std::string role);
  Vec vec(std::string role);
  std::vector<Vec> vecs(const std::string& role, int count);
  Mask mask(std::string role);  // takes a vector register on AVX2
  int free_vecs() const { return vec_pool_.available(); }
  // The argument block's address; never in the pool.
  const Xbyak::Reg64& args() const { return args_; }
  void load_arg(const Xbyak::Reg& to, size_t offset) { mov(to, ptr[args_ + offset]); }

  // --- control -----------------------------------------------------------------------------------------------------
  // 0 emits nothing, 1 the body alone, more a loop.
  void loop(int64_t times, const std::function<void()>& body);
  // Counts the register down to 0; runs zero times when it is 0 at entry.
  void loop(const Xbyak::Reg64& times, const std::function<void()>& body);
  // Bytes of scratch at rsp, 64-byte aligned, until leave_frame(); `caller` holds the old stack pointer meanwhile.
  void enter_frame(const Gp& caller, int bytes);
  void leave_frame(const Gp& caller);
  void note(std::string text) { notes_.push_back({static_cast<uint32_t>(getSize()), std::move(text)}); }
  void poison();
  void prologue();
  void epilogue();

  // --- constants ---------------------------------------------------------------------------------------------------
  // One dword, for vpbroadcastd.
  Xbyak::Address constant_dword(uint32_t value) { return ptr[rip + constant({value}, 4)]; }
  // The dword in every lane, as a vector operand.
  Xbyak::Address constant_lanes(uint32_t value);
  // One dword for each lane; shorter lists repeat. 16 entries serve both widths' first 8 lanes.
  Xbyak::Address constant_vector(const std::vector<uint32_t>& dwords, int first_lane = 0);

  // --- what differs between the instruction sets ---------------------------------------------------------------------
  void load(const Xbyak::Xmm& to, const Xbyak::Address& from);  // any alignment
  void store(const Xbyak::Address& to, const Xbyak::Xmm& from);
  void copy(const Xbyak::Xmm& to, const Xbyak::Xmm& from);
  void zero(const Xbyak::Xmm& to);
  void bit_and(const Xbyak::Xmm& to, const Xbyak::Xmm& a, const Xbyak::Operand& b);
  void bit_or(const Xbyak::Xmm& to, const Xbyak::Xmm& a, const Xbyak::Operand& b);
  void bit_xor(const Xbyak::Xmm& to, const Xbyak::Xmm& a, const Xbyak::Operand& b);
  void bit_andn(const Xbyak::Xmm& to, const Xbyak::Xmm& a, const Xbyak::Operand& b);  // ~a & b

  // Reads a uint16 of valid_lanes() at `word`: lanes of register `half` (0, or 1 on AVX2) of its 16-pixel vector.
  void load_lanes(const Mask& to, const Xbyak::Address& word, int half = 0);
  // to = mask ? if_set : if_clear, for each dword.
  void blend(const Xbyak::Xmm& to, const Mask& mask, const Xbyak::Xmm& if_set, const Xbyak::Xmm& if_clear);
  // Dwords outside the mask are not touched in memory and load as 0.
  void load_masked(const Xbyak::Xmm& to, const Mask& mask, const Xbyak::Address& from);
  void store_masked(const Xbyak::Address& to, const Mask& mask, const Xbyak::Xmm& from);

  // Emits the constants and takes the bytes.
  MachineCode finish(std::string name);

 private:
  Xbyak::Label& constant(std::vector<uint32_t> dwords, uint32_t alignment);

  struct Constant {
    std::vector<uint32_t> dwords;
    uint32_t alignment;
    Xbyak::Label label;
  };

  Isa isa_;
  Xbyak::Reg64 args_;
  RegisterPool gp_pool_, vec_pool_, mask_pool_;
  std::deque<Constant> constants_;  // labels must not move
  std::vector<CodeNote> notes_;
};

// Runs a generator. Everything that xbyak or a register pool throws becomes an Error here, with the kernel's name.
Result<MachineCode> assemble(const std::string& name, Isa isa, const GenerateOptions& options,
                             const std::function<void(Assembler&)>& body);

}  // namespace quadlane
