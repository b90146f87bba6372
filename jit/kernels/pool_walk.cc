#include "jit/kernels/pool_walk.h"

#include "jit/kernels/table_rows.h"

namespace quadlane {
namespace {

constexpr uint32_t kMinusInfinity = 0xff800000;

}  // namespace

void PoolWalk::generate() {
  if (averaging()) factors_.push_back(a_.gp("factors"));
  load_constants();
  for_table_rows<PoolArgs, PoolRow>(a_, {planes_, table_, src_, dst_, pad_}, [&] { row(); });
}

void PoolWalk::row() {
  if (averaging()) {
    a_.movsxd(factors_[0], a_.dword[table_ + offsetof(PoolRow, factors)]);
    a_.add(factors_[0], a_.ptr[a_.args() + offsetof(PoolArgs, factors)]);
  }
  a_.xor_(x_src_, x_src_);
  a_.xor_(x_dst_, x_dst_);
  walk();
}

void PoolWalk::point_to_tap_rows() {
  using Xbyak::util::ptr;
  Gp next = a_.gp("next row");
  a_.mov(rows_[0], ptr[table_ + offsetof(PoolRow, src)]);
  a_.add(rows_[0], src_);
  for (size_t i = 1; i < rows_.size(); ++i) {
    a_.mov(rows_[i], rows_[i - 1]);
    a_.mov(next, rows_[i - 1]);
    a_.add(next, ptr[a_.args() + offsetof(PoolArgs, tap_row_bytes)]);
    a_.cmp(a_.dword[table_ + offsetof(PoolRow, taps)], static_cast<int>(i));
    a_.cmovg(rows_[i], next);
  }
}

void PoolWalk::for_tap_rows(const std::function<void()>& for_each_row) {
  a_.mov(rows_[0], a_.ptr[table_ + offsetof(PoolRow, src)]);
  a_.add(rows_[0], src_);
  a_.movsxd(rows_[1], a_.dword[table_ + offsetof(PoolRow, taps)]);
  a_.loop(rows_[1], [&] {
    for_each_row();
    a_.add(rows_[0], a_.ptr[a_.args() + offsetof(PoolArgs, tap_row_bytes)]);
  });
}

std::vector<Advance> PoolWalk::advances() const {
  std::vector<Advance> list = {{x_src_, a_.vector_bytes() * s_.stride_w}, {x_dst_, a_.vector_bytes()}};
  if (averaging()) list.push_back({factors_[0], a_.vector_bytes()});
  return list;
}

QuadRounding PoolWalk::rounding() const {
  auto field = [&](size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; };
  return QuadRounding(a_, field(offsetof(PoolArgs, v_lo)), field(offsetof(PoolArgs, v_hi)),
                      field(offsetof(PoolArgs, out_zero)), s_.rounding);
}

uint32_t PoolWalk::columns_inside(int column, int at) const {
  const int first = at * s_.stride_w + column;
  return at == kAnywhere ? lane_bits(a_, 0, a_.lanes()) : lane_bits(a_, -first, s_.src_w - first);
}

void PoolWalk::load_columns(const Vec& to, const Xbyak::Reg64& row, int column, int at) {
  const uint32_t all = lane_bits(a_, 0, a_.lanes()), inside = columns_inside(column, at);
  if (inside == 0) return neutral(to);
  a_.load(to, a_.ptr[row + x_src_ + column * kPixelBytes]);
  if (inside == all) return;
  a_.bit_and(to, to, a_.constant_vector(lane_dwords(a_, inside)));
  if (averaging() || !s_.f32) return;
  std::vector<uint32_t> minus_infinity = lane_dwords(a_, inside);
  for (uint32_t& d : minus_infinity) d = d ? 0 : kMinusInfinity;
  a_.bit_or(to, to, a_.constant_vector(minus_infinity));
}

void PoolWalk::neutral(const Vec& to) {
  if (s_.f32 && !averaging())
    a_.vbroadcastss(to, a_.constant_dword(kMinusInfinity));
  else
    a_.zero(to);
}

std::string describe(const PoolSpec& s) {
  return cat(s.op == PoolOp::max ? "max" : "average", "_pool_", s.f32 ? "f32" : "u8", " k", s.kh, "x", s.kw, " s",
             s.stride_h, "x", s.stride_w, " d", s.dilation_h, "x", s.dilation_w, " p", s.pad_top, ",", s.pad_left, " ",
             s.src_h, "x", s.src_w, "->", s.dst_h, "x", s.dst.w, " gap", s.dst.gap, describe(s.rounding),
             s.no_in_zero ? " in_zero0 " : " ", to_string(s.isa));
}

Result<MachineCode> generate(const PoolSpec& s, const GenerateOptions& options) {
  if (s.kh < 1 || s.kw < 1 || s.stride_h < 1 || s.stride_w < 1 || s.dilation_h < 1 || s.dilation_w < 1 ||
      s.pad_top < 0 || s.pad_left < 0 || s.src_h < 1 || s.src_w < 1 || s.dst_h < 1 || s.dst.w < 1 || s.dst.gap < 0)
    return invalid_argument(describe(s), ": extent out of range");
  if (s.op == PoolOp::max && has_empty_window(s)) return unsupported(describe(s), ": a window without a pixel");
  return assemble(describe(s), s.isa, options, [&](Assembler& a) {
    std::unique_ptr<PoolWalk> pool = make_sliding_pool(a, s);
    if (!pool) pool = make_tap_pool(a, s);
    pool->generate();
  });
}

}  // namespace quadlane
