#include "jit/kernels/depthwise.h"

#include <algorithm>
#include <cstddef>

#include "jit/kernels/depthwise_kernel.h"

namespace quadlane {
namespace {

using Name = ConvConstants::Name;

constexpr uint32_t kOnes = 0x00010001;

}  // namespace

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
  if (s_.table)
    table_.emplace(a_, weights_ + static_cast<size_t>(DepthwiseBlock::group(s_.isa, groups_.size())), temporaries);
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

// v = v < 0 ? v * slope : v; by the sign, as -0 times a slope is a zero again.
void Depthwise::slope(const Vec& v) {
  if (a_.avx512()) {
    Mask negative = a_.mask("negative");
    a_.vpmovd2m(negative.k(), v);
    return a_.vmulps(v | negative.k(), v, block(DepthwiseBlock::slope));
  }
  a_.vmulps(work_[0], v, block(DepthwiseBlock::slope));
  a_.vblendvps(v, v, work_[0], v);
}

void Depthwise::quads() {
  a_.note("epilogue");
  for (const Vec& v : acc_) {
    a_.vcvtdq2ps(v, v);
    mult_.empty() ? a_.vmulps(v, v, block(DepthwiseBlock::mult)) : a_.vmulps(v, v, mult_[0]);
    if (s_.slope) slope(v);
  }
  if (s_.residual) residual();
  round();
  if (table_) table_->apply(acc_[0], acc_[1], acc_[2]);
}

std::string describe(const DepthwiseSpec& s) {
  ConvSpec conv;  // the same text for the taps
  conv.isa = s.isa;
  conv.taps = s.taps;
  conv.clamp_lo = s.clamp_lo, conv.clamp_hi = s.clamp_hi;
  conv.residual = s.residual ? ConvResidual::u8 : ConvResidual::none;
  std::string text = cat("depthwise ", describe(conv), describe(s.rounding));
  if (s.slope) text += " slope";
  if (s.table) text += " table";
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
  if (s.slope && s.residual) return unsupported("a slope together with a residual");
  if (s.table && !has_avx512(s.isa)) return unsupported("a table for ", to_string(s.isa), ", expected AVX-512");
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
