#include "jit/kernels/depthwise.h"

#include <algorithm>
#include <cstddef>
#include <map>

#include "jit/kernels/conv_tile.h"
#include "jit/kernels/depthwise_groups.h"
#include "jit/kernels/pixel_rows.h"
#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

using Xbyak::Address;
using Name = ConvConstants::Name;

constexpr uint32_t kOnes = 0x00010001, kEvenBytes = 0x00ff00ff;
// Accumulators whose pixels lie in two loads at step 2: the last one's begin at pixel 6, its last tap may be pixel 33.
constexpr int kAcross = 3;

class Depthwise {
 public:
  Depthwise(Assembler& a, const DepthwiseSpec& s) : a_(a), s_(s), groups_(depthwise_groups(s.taps, s.step > 0)) {}
  void generate();

 private:
  enum class Dot { vnni, narrow, wide };  // conv_reduction.h

  void planes();
  void constants();
  void flattened();
  void rows();
  void tile();
  void group(size_t g);
  void taps_of(size_t g, Dot, const Vec& weights);
  void row_across(const DepthwiseGroup&, const std::function<void(int i, const Vec& taps)>& dot);
  void row(const DepthwiseGroup&, const std::function<void(int i, const Vec& taps)>& dot);
  void loose(const DepthwiseGroup&, const std::function<void(int i, const Vec& taps)>& dot);
  void load_tap(const Vec& to, const DepthwiseTap&, int pixels);
  void clamp(const Vec&);
  Xbyak::RegExp tap_at(const DepthwiseTap&, int pixels) const;
  Xbyak::RegExp second_at(const DepthwiseTap&, int pixels) const;
  std::vector<uint32_t> row_order(const DepthwiseGroup&, int pixels) const;
  void store_pair();
  void quads();
  void round();
  void residual();
  Address block(int at) { return a_.ptr[weights_ + at]; }
  Address weights_of(size_t g, int vector = 0) {
    return block(DepthwiseBlock::group(s_.isa, g) + vector * DepthwiseBlock::kVector);
  }
  bool paired() const { return s_.step == 2 && a_.avx512() && s_.w <= kVectorPixels / 2; }
  bool same_lanes() const { return s_.lanes == std::array<int, 4>{0, 1, 2, 3}; }

  Assembler& a_;
  const DepthwiseSpec& s_;
  std::vector<DepthwiseGroup> groups_;
  std::vector<Gp> planes_;            // of each section, at the first pixel
  std::vector<Gp> residual_, dst_x_;  // where there is one; a result's x by rows
  Gp dst_ = a_.gp("dst"), weights_ = a_.gp("weights"), x_ = a_.gp("x");
  Gp count_ = a_.gp("registers or rows left");
  std::vector<Vec> acc_ = a_.vecs("acc", kGroups), work_ = a_.vecs("work", 4);
  Vec ones_ = a_.vec("ones"), pad_ = a_.vec("pad");
  Mask pixels_ = a_.mask("pixels");
  std::map<std::pair<int, int>, Vec> order_;  // row_order by the number of distinct taps and the first pixel
  std::vector<Vec> resident_;                 // VNNI: the groups' weights, as far as there are registers
  std::vector<Vec> mult_, bias_;              // where registers are left; loads are what there is most of
  // The epilogue's constants: AVX-512 has registers for them (its residual reads them where they are), AVX2 a frame.
  std::vector<QuadRounding> rounding_;
  std::vector<Gp> constants_;
};

// Both blocks of arguments, whose members have the same names.
#define QL_ARG(member) (s_.step ? offsetof(OconvArgs, member) : offsetof(ConvArgs, member))

void Depthwise::generate() {
  planes();
  constants();
  s_.step == 0 ? flattened() : rows();
}

void Depthwise::planes() {
  auto plane = [&](const Gp& at, size_t list, size_t base, size_t index = 0) {
    a_.load_arg(at, list);
    a_.mov(at, a_.ptr[at + 8 * static_cast<int>(index)]);
    a_.add(at, a_.ptr[a_.args() + static_cast<int>(base)]);
  };
  for (size_t s = 0; s < s_.taps.size(); ++s) {
    planes_.push_back(a_.gp(cat("plane ", s)));
    plane(planes_[s], QL_ARG(src_planes), QL_ARG(src), s);
  }
  plane(dst_, QL_ARG(dst_planes), QL_ARG(dst));
  if (!s_.residual) return;
  residual_.push_back(a_.gp("residual"));
  plane(residual_[0], QL_ARG(residual_planes), QL_ARG(residual));
}

void Depthwise::constants() {
  a_.load_arg(weights_, QL_ARG(weights));
  if (!a_.vnni()) a_.load(ones_, a_.constant_lanes(kOnes));
  for (const DepthwiseGroup& g : groups_)
    for (int i = 0; g.row && i < (s_.vbmi ? kAcross : 1); ++i) {
      if (order_.count({g.distinct, i})) continue;
      Vec order = a_.vec("order of a row");
      a_.load(order, a_.constant_vector(row_order(g, 2 * i)));
      order_.emplace(std::pair{g.distinct, i}, std::move(order));
    }
  if (a_.avx512()) {
    Gp from = a_.gp("epilogue");
    a_.load_arg(from, QL_ARG(epilogue));
    auto field = [&](size_t offset) { return a_.ptr[from + static_cast<int>(offset)]; };
    rounding_.emplace_back(a_, field(offsetof(ConvEpilogue, v_lo)), field(offsetof(ConvEpilogue, v_hi)),
                           field(offsetof(ConvEpilogue, out_zero)), s_.rounding);
    if (s_.residual) constants_.push_back(std::move(from));
  }
  // Left free: a group's weights, the even bytes of its taps, and what loose taps come through.
  int temporaries = 2;
  for (const DepthwiseGroup& g : groups_) temporaries = std::max(temporaries, g.row ? 2 : 3);
  for (auto [list, at] : {std::pair{&mult_, DepthwiseBlock::mult}, std::pair{&bias_, DepthwiseBlock::bias}})
    if (a_.free_vecs() > temporaries) {
      list->push_back(a_.vec("for all pixels"));
      a_.load(list->back(), block(at));
    }
  if (a_.vnni())
    while (resident_.size() < groups_.size() && a_.free_vecs() > temporaries) {
      resident_.push_back(a_.vec("resident weights"));
      a_.load(resident_.back(), weights_of(resident_.size() - 1));
    }
}

void Depthwise::flattened() {
  Gp lanes = a_.gp("lanes");
  a_.load_arg(lanes, offsetof(ConvArgs, dst_pad));
  a_.vpbroadcastd(pad_, a_.ptr[lanes]);
  a_.load_arg(lanes, offsetof(ConvArgs, lanes));
  a_.load_arg(count_, offsetof(ConvArgs, tiles));
  if (a_.registers() == 2) a_.shl(count_, 1);
  a_.xor_(x_, x_);
  a_.loop(count_, [&] {
    tile();
    a_.load_lanes(pixels_, a_.ptr[lanes]);
    a_.blend(acc_[0], pixels_, acc_[0], pad_);
    a_.store(a_.ptr[dst_ + x_], acc_[0]);
    a_.add(x_, a_.vector_bytes());
    a_.add(lanes, a_.lanes() / 8);
  });
}

void Depthwise::rows() {
  const RowShape row{s_.w, 0};
  const int bytes = a_.vector_bytes();
  dst_x_.push_back(a_.gp("x of the result"));
  a_.load_arg(count_, offsetof(OconvArgs, tiles));
  auto next_row = [&](int times) {
    for (int i = 0; i < times; ++i) {
      a_.add(planes_[0], a_.ptr[a_.args() + offsetof(OconvArgs, src_step)]);
      for (Gp* result : {&dst_, s_.residual ? &residual_[0] : nullptr})
        if (result) a_.add(*result, a_.ptr[a_.args() + offsetof(OconvArgs, dst_step)]);
    }
  };
  if (!paired())
    return a_.loop(count_, [&] {
      a_.xor_(x_, x_);
      a_.xor_(dst_x_[0], dst_x_[0]);
      walk_row(a_, row, a_.lanes(), {{x_, s_.step * bytes}, {dst_x_[0], bytes}}, [&](int at) {
        tile();
        store_row(a_, a_.ptr[dst_ + dst_x_[0]], acc_[0], acc_[0], at, row);
      });
      next_row(1);
    });
  // The distances to the second row, 0 where there is none: then both halves make the same pixels.
  a_.load_arg(x_, offsetof(OconvArgs, src_step));
  a_.load_arg(dst_x_[0], offsetof(OconvArgs, dst_step));
  Xbyak::Label top, pair;
  a_.L(top);
  a_.cmp(count_, 1);
  a_.jg(pair);
  a_.xor_(x_, x_);
  a_.xor_(dst_x_[0], dst_x_[0]);
  a_.L(pair);
  tile();
  store_pair();
  next_row(2);
  a_.sub(count_, 2);
  a_.jg(top);
}

void Depthwise::store_pair() {
  const RowShape row{s_.w, 0};
  Vec& second = work_[0];
  a_.vextracti64x4(second.ymm(), acc_[0].zmm(), 1);
  store_row(a_, a_.ptr[dst_], acc_[0], acc_[0], 0, row);
  store_row(a_, a_.ptr[dst_ + dst_x_[0]], second, second, 0, row);
}

#undef QL_ARG

void Depthwise::tile() {
  for (const Vec& acc : acc_) bias_.empty() ? a_.load(acc, block(DepthwiseBlock::bias)) : a_.copy(acc, bias_[0]);
  for (size_t g = 0; g < groups_.size(); ++g) group(g);
  quads();
}

// Without VNNI the block says for each group whether its weights fit the cheaper dot.
void Depthwise::group(size_t g) {
  a_.note(cat("group ", g, ": ", groups_[g].distinct, groups_[g].row ? " taps of a row" : " taps"));
  if (g < resident_.size()) return taps_of(g, Dot::vnni, resident_[g]);
  Vec weights = a_.vec("weights");
  a_.load(weights, weights_of(g));
  if (a_.vnni()) return taps_of(g, Dot::vnni, weights);
  Xbyak::Label wide, done;
  a_.cmp(a_.byte[weights_ + (DepthwiseBlock::flags + static_cast<int>(g))], 0);
  a_.jne(wide);
  taps_of(g, Dot::narrow, weights);
  a_.jmp(done);
  a_.L(wide);
  taps_of(g, Dot::wide, weights);
  a_.L(done);
}

// acc[i] += dot of the taps of pixel p + i; `taps` does not survive.
void Depthwise::taps_of(size_t g, Dot kind, const Vec& weights) {
  auto dot = [&](int i, const Vec& taps) {
    const Vec& acc = acc_[static_cast<size_t>(i)];
    if (kind == Dot::vnni) return a_.vpdpbusd(acc, taps, weights);
    if (kind == Dot::narrow) {
      a_.vpmaddubsw(taps, taps, weights);
      a_.vpmaddwd(taps, taps, ones_);
      return a_.vpaddd(acc, acc, taps);
    }
    Vec even = a_.vec("even");
    a_.bit_and(even, taps, a_.constant_lanes(kEvenBytes));
    a_.vpmaddwd(even, even, weights);
    a_.vpaddd(acc, acc, even);
    a_.vpsrlw(taps, taps, 8);
    a_.vpmaddwd(taps, taps, weights_of(g, 1));
    a_.vpaddd(acc, acc, taps);
  };
  s_.vbmi ? row_across(groups_[g], dot) : groups_[g].row ? row(groups_[g], dot) : loose(groups_[g], dot);
}

// Of the first lanes; the second ones' at step 2: 16 pixels on, or the next row's.
Xbyak::RegExp Depthwise::tap_at(const DepthwiseTap& tap, int pixels) const {
  const auto section = static_cast<size_t>(tap.section);
  const int64_t offset = s_.taps[section][static_cast<size_t>(tap.tap)] + pixels * kPixelBytes;
  const Xbyak::RegExp at = planes_[section] + static_cast<int>(offset);
  return paired() ? at : at + x_;
}
Xbyak::RegExp Depthwise::second_at(const DepthwiseTap& tap, int pixels) const {
  return paired() ? tap_at(tap, pixels) + x_ : tap_at(tap, pixels + a_.lanes());
}

void Depthwise::clamp(const Vec& v) {
  if (s_.clamp_lo) a_.vpmaxub(v, v, block(DepthwiseBlock::clamp_lo));
  if (s_.clamp_hi) a_.vpminub(v, v, block(DepthwiseBlock::clamp_hi));
}

void Depthwise::load_tap(const Vec& to, const DepthwiseTap& tap, int pixels) {
  if (s_.step < 2) {
    a_.load(to, a_.ptr[tap_at(tap, pixels)]);
  } else if (a_.avx512()) {  // lanes 0 and 2 of both
    a_.load(to, a_.ptr[tap_at(tap, 2 * pixels)]);
    a_.vshufi32x4(to.zmm(), to.zmm(), a_.ptr[second_at(tap, 2 * pixels)], 0x88);
  } else {
    a_.vmovdqu(to.xmm(), a_.ptr[tap_at(tap, 2 * pixels)]);
    a_.vinserti128(to.ymm(), to.ymm(), a_.ptr[second_at(tap, 2 * pixels)], 1);
  }
  clamp(to);
}

// Byte k of channel j: channel lanes[j] of pixel[k], `pixels` on. Shuffles look at the bits of a 128-bit lane alone;
// permutations across two registers find lane l's pixels 8 * l on.
std::vector<uint32_t> Depthwise::row_order(const DepthwiseGroup& g, int pixels) const {
  std::vector<uint32_t> order;
  for (int dword = 0; dword < (s_.vbmi ? 16 : 4); ++dword) {
    const int first = pixels + (s_.vbmi ? dword / 4 * 8 : 0), lane = s_.lanes[static_cast<size_t>(dword % 4)];
    uint32_t bytes = 0;
    for (size_t k = 0; k < 4; ++k) bytes |= static_cast<uint32_t>(4 * (first + g.pixel[k]) + lane) << 8 * k;
    order.push_back(bytes);
  }
  return order;
}

void Depthwise::row(const DepthwiseGroup& g, const std::function<void(int, const Vec&)>& dot) {
  for (int i = 0; i < kGroups; ++i) {
    const Vec& taps = work_[static_cast<size_t>(i)];
    load_tap(taps, g.slot[0], i);
    a_.vpshufb(taps, taps, order_.at({g.distinct, 0}));
    dot(i, taps);
  }
}

// Step 2: two loads, each accumulator's taps by one permutation across them; the last accumulator loads for itself.
void Depthwise::row_across(const DepthwiseGroup& g, const std::function<void(int, const Vec&)>& dot) {
  const Vec &first = work_[0], &second = work_[1], &taps = work_[2];
  auto load_both = [&](int pixels) {
    a_.load(first, a_.ptr[tap_at(g.slot[0], pixels)]);
    a_.load(second, a_.ptr[second_at(g.slot[0], pixels)]);
    clamp(first), clamp(second);
  };
  load_both(0);
  for (int i = 0; i < kAcross; ++i) {
    const Vec& to = i + 1 < kAcross ? taps : first;
    if (i + 1 < kAcross) a_.copy(to, first);
    a_.vpermt2b(to, order_.at({g.distinct, i}), second);
    dot(i, to);
  }
  load_both(2 * kAcross);
  a_.vpermt2b(first, order_.at({g.distinct, 0}), second);
  dot(kAcross, first);
}

//   t0, t1 -> bytes  p: c0(t0 t1) .. c3(t0 t1) | p+1: ..      low half of a lane: pixels p, p+1; high: p+2, p+3
//   and t2, t3 -> words  p: c0(t0 t1 t2 t3) .. c3(..)         the low and the high half again
void Depthwise::loose(const DepthwiseGroup& g, const std::function<void(int, const Vec&)>& dot) {
  const Vec &low01 = work_[0], &high01 = work_[1], &low23 = work_[2], &high23 = work_[3];
  auto interleave = [&](const Vec& low, const Vec& high, size_t first) {
    Vec other = a_.vec("taps");
    load_tap(low, g.slot[first], 0);
    load_tap(other, g.slot[first + 1], 0);
    a_.vpunpckhbw(high, low, other);
    a_.vpunpcklbw(low, low, other);
  };
  interleave(low01, high01, 0);
  if (g.distinct > 2) interleave(low23, high23, 2);
  // Two taps stand in both halves, one in all four bytes.
  const Vec &low = g.distinct > 2 ? low23 : low01, &high = g.distinct > 2 ? high23 : high01;
  for (int i = 0; i < kGroups; ++i) {
    Vec taps = a_.vec("interleaved");
    const Vec &a = i < 2 ? low01 : high01, &b = i < 2 ? low : high;
    i % 2 ? a_.vpunpckhwd(taps, a, b) : a_.vpunpcklwd(taps, a, b);
    if (!same_lanes())
      a_.vpshufd(taps, taps,
                 static_cast<uint8_t>(s_.lanes[0] | s_.lanes[1] << 2 | s_.lanes[2] << 4 | s_.lanes[3] << 6));
    dot(i, taps);
  }
}

// acc += float(r - residual_zero) * residual_mult
void Depthwise::residual() {
  if (paired()) {
    a_.load(work_[0].ymm(), a_.ptr[residual_[0]]);
    a_.vinserti64x4(work_[0].zmm(), work_[0].zmm(), a_.ptr[residual_[0] + dst_x_[0]], 1);
  } else {
    a_.load(work_[0], a_.ptr[residual_[0] + (s_.step ? dst_x_[0] : x_)]);
  }
  for (int i = 0; i < kGroups; ++i) {
    const Vec& r = work_[1];
    auto constant = [&](Name name, size_t field) {
      return a_.avx512() ? a_.ptr_b[constants_[0] + static_cast<int>(field)] : ConvConstants::at(a_, name);
    };
    expand_quads(a_, r, work_[0], i);
    a_.vpsubd(r, r, constant(Name::residual_zero, offsetof(ConvEpilogue, residual_zero)));
    a_.vcvtdq2ps(r, r);
    a_.vmulps(r, r, constant(Name::residual_mult, offsetof(ConvEpilogue, residual_mult)));
    a_.vaddps(acc_[static_cast<size_t>(i)], acc_[static_cast<size_t>(i)], r);
  }
}

// conv_epilogue.cc tells why saturating packs clamp.
void Depthwise::round() {
  if (a_.avx512()) return rounding_[0].finish(acc_);
  for (const Vec& v : acc_) {
    if (!s_.rounding.bounded) a_.vminps(v, v, ConvConstants::at(a_, Name::v_hi));
    a_.vcvtps2dq(v, v);
  }
  a_.vpackssdw(acc_[0], acc_[0], acc_[1]);
  a_.vpackssdw(acc_[2], acc_[2], acc_[3]);
  if (!s_.rounding.no_zero) {
    a_.vpaddsw(acc_[0], acc_[0], ConvConstants::at(a_, Name::out_zero));
    a_.vpaddsw(acc_[2], acc_[2], ConvConstants::at(a_, Name::out_zero));
  }
  a_.vpackuswb(acc_[0], acc_[0], acc_[2]);
  if (s_.rounding.whole_range) return;
  a_.vpmaxub(acc_[0], acc_[0], ConvConstants::at(a_, Name::out_lo));
  a_.vpminub(acc_[0], acc_[0], ConvConstants::at(a_, Name::out_hi));
}

void Depthwise::quads() {
  a_.note("epilogue");
  for (const Vec& v : acc_) {
    a_.vcvtdq2ps(v, v);
    mult_.empty() ? a_.vmulps(v, v, block(DepthwiseBlock::mult)) : a_.vmulps(v, v, mult_[0]);
  }
  if (s_.residual) residual();
  round();
}

}  // namespace

std::string describe(const DepthwiseSpec& s) {
  ConvSpec conv;  // the same text for the taps
  conv.isa = s.isa;
  conv.taps = s.taps;
  conv.clamp_lo = s.clamp_lo, conv.clamp_hi = s.clamp_hi;
  conv.residual = s.residual ? ConvResidual::u8 : ConvResidual::none;
  std::string text = cat("depthwise ", describe(conv), describe(s.rounding));
  if (s.step) text += cat(" step", s.step, " w", s.w, s.vbmi ? " vbmi" : "");
  if (s.lanes != std::array<int, 4>{0, 1, 2, 3}) text += cat(" lanes", s.lanes[0], s.lanes[1], s.lanes[2], s.lanes[3]);
  return text;
}

Status check(const DepthwiseSpec& s) {
  if (s.taps.size() > size_t{kMaxDepthwiseSections})
    return unsupported(s.taps.size(), " sections of planes, a depthwise kernel takes 1 to ", kMaxDepthwiseSections);
  ConvSpec conv;
  conv.isa = s.isa;
  conv.taps = s.taps;
  QL_CHECK_OK(check(conv));
  if (const size_t groups = depthwise_groups(s.taps, s.step > 0).size(); groups > kMaxDepthwiseGroups)
    return unsupported(groups, " groups of taps, a depthwise kernel takes ", kMaxDepthwiseGroups);
  if (s.step < 0 || s.step > 2) return unsupported("a step of ", s.step, " pixels, a depthwise kernel takes 1 or 2");
  if (s.vbmi && (!has_avx512(s.isa) || s.step != 2))
    return invalid_argument("AVX512_VBMI for ", to_string(s.isa), " at step ", s.step, ", expected AVX-512 at step 2");
  if (s.step > 0 && (s.w < 1 || s.taps.size() != 1))
    return invalid_argument("rows of ", s.w, " pixels from ", s.taps.size(), " sections, expected pixels of one");
  for (int lane : s.lanes)
    if (lane < 0 || lane > 3) return invalid_argument("byte ", lane, " of a quad, expected 0 to 3");
  return {};
}

Result<MachineCode> generate(const DepthwiseSpec& spec, const GenerateOptions& options) {
  if (Status status = check(spec); !status.ok()) return std::move(status).context(describe(spec)).error();
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) {
    if (a.avx512()) return Depthwise(a, spec).generate();
    Gp caller_stack = a.gp("caller's stack");
    a.enter_frame(caller_stack, ConvConstants::bytes(a));
    ConvConstants::emit(a, DType::u8, spec.step ? offsetof(OconvArgs, epilogue) : offsetof(ConvArgs, epilogue));
    Depthwise(a, spec).generate();
    a.leave_frame(caller_stack);
  });
}

}  // namespace quadlane
