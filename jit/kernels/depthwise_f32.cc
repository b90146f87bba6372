#include "jit/kernels/depthwise_f32.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "jit/kernels/conv.h"
#include "jit/kernels/conv_tile.h"
#include "jit/kernels/functions.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {
namespace {

using Name = ConvConstants::Name;

// Rows of up to half a register, two in one register.
bool is_paired(const DepthwiseF32Spec& s) { return has_avx512(s.isa) && s.w <= kVectorPixels / 2 && s.rows > 1; }
int accumulators(const DepthwiseF32Spec& s) { return is_paired(s) ? (s.rows + 1) / 2 : s.rows; }
// How many lanes of a register of results have all of their pixels in the 16 (or 32) that one (or two) loads bring.
int lanes_in_reach(const DepthwiseF32Spec& s) {
  const int read = is_paired(s) || s.step_x == 1 ? kVectorPixels : 2 * kVectorPixels;
  return std::min((read - 1 - (s.kernel_x - 1) * s.dilation_x) / s.step_x + 1, kVectorPixels);
}
// Taps of a row by permutations of the same loads, where that takes few more registers of results than a load for each
// tap, most of which cross a cache line.
bool is_permuted(const DepthwiseF32Spec& s) {
  if (!has_avx512(s.isa) || s.kernel_x == 1) return false;
  const int lanes = lanes_in_reach(s), most = is_paired(s) ? kVectorPixels / 2 : kVectorPixels;
  if (lanes < 1) return false;
  auto registers = [&](int n) { return (s.w + n - 1) / n; };
  return 7 * registers(std::min(lanes, most)) <= 8 * registers(most);
}
// Without embedded broadcasts a weight that has no register goes through one.
int work_registers(const DepthwiseF32Spec& s) { return has_avx512(s.isa) ? 3 : 4; }

class DepthwiseF32 {
 public:
  DepthwiseF32(Assembler& a, const DepthwiseF32Spec& s) : a_(a), s_(s) {}
  void generate();

 private:
  void plane();
  void tile(int at);
  void orders();
  void source_row(int row);
  void permuted_row(int row);
  void multiply(const Vec& pixels, int row, int j);
  void load(const Vec& to, int row, int pixels);
  void load_second(const Vec& to, int row, int pixels);
  void epilogue(const Vec& acc, int row, int at);
  void store(const Xbyak::RegExp& to, const Vec& v, int at);
  void activate(const Vec&);

  int taps() const { return s_.kernel_y * s_.kernel_x; }
  bool paired() const { return is_paired(s_); }
  int second() const { return s_.rows - accumulators(s_); }  // rows from a register's lower half to its upper one
  // Lanes of a register of results that are used.
  int lanes() const { return is_permuted(s_) ? lanes_in_reach(s_) : a_.lanes(); }
  Xbyak::RegExp source(int row, int pixels) const {
    return src_ + x_ + static_cast<int>(s_.origin + row * s_.src_row + int64_t{pixels} * kPixelBytes);
  }
  Xbyak::RegExp result(const Gp& plane, int row) const { return plane + dst_x_ + static_cast<int>(row * s_.dst_row); }
  int weight_at(int tap) const { return kPixelBytes * (1 + tap); }

  Assembler& a_;
  const DepthwiseF32Spec& s_;
  Gp index_ = a_.gp("plane"), left_ = a_.gp("planes left"), tiles_ = a_.gp("tiles left"), weights_ = a_.gp("weights");
  Gp src_ = a_.gp("src"), dst_ = a_.gp("dst"), residual_ = a_.gp("residual"), x_ = a_.gp("x of the source"),
     dst_x_ = a_.gp("x of the result");
  std::vector<Vec> acc_ = a_.vecs("acc", accumulators(s_)), work_ = a_.vecs("work", work_registers(s_));
  std::optional<PixelPairs> pairs_;
  std::vector<Vec> orders_;           // permuted: of each tap of a row
  std::optional<Mask> whole_, tail_;  // AVX-512: the pixels of a register, and of a row's last one, if not all
  std::vector<Vec> resident_;         // weights, as far as there are registers
};

void DepthwiseF32::generate() {
  if (is_permuted(s_))
    orders();
  else if (s_.step_x == 2)
    pairs_.emplace(a_);
  if (a_.avx512()) {
    if (lanes() < a_.lanes()) whole_ = static_mask(a_, lane_bits(a_, 0, lanes()));
    if (s_.w % lanes()) tail_ = static_mask(a_, lane_bits(a_, 0, s_.w % lanes()));
  }
  while (static_cast<int>(resident_.size()) < taps() && a_.free_vecs() > 0) resident_.push_back(a_.vec("weight"));
  a_.load_arg(weights_, offsetof(OconvArgs, weights));
  a_.load_arg(left_, offsetof(OconvArgs, section_planes));
  a_.xor_(index_, index_);
  a_.note("for each plane");
  a_.loop(left_, [&] {
    plane();
    a_.add(weights_, kPixelBytes * (1 + taps()));
    a_.add(index_, 8);
  });
}

void DepthwiseF32::plane() {
  auto at = [&](const Gp& to, size_t list, size_t base) {
    a_.load_arg(to, list);
    a_.mov(to, a_.ptr[to + index_]);
    a_.add(to, a_.ptr[a_.args() + static_cast<int>(base)]);
  };
  at(src_, offsetof(OconvArgs, src_planes), offsetof(OconvArgs, src));
  at(dst_, offsetof(OconvArgs, dst_planes), offsetof(OconvArgs, dst));
  if (s_.residual) at(residual_, offsetof(OconvArgs, residual_planes), offsetof(OconvArgs, residual));
  for (size_t t = 0; t < resident_.size(); ++t)
    a_.vbroadcastss(resident_[t], a_.ptr[weights_ + weight_at(static_cast<int>(t))]);
  a_.load_arg(tiles_, offsetof(OconvArgs, tiles));
  a_.loop(tiles_, [&] {
    a_.xor_(x_, x_);
    a_.xor_(dst_x_, dst_x_);
    const int bytes = lanes() * kPixelBytes;
    walk_row(a_, {s_.w, 0}, lanes(), {{x_, s_.step_x * bytes}, {dst_x_, bytes}}, [&](int first) { tile(first); });
    a_.add(src_, a_.ptr[a_.args() + offsetof(OconvArgs, src_step)]);
    for (const Gp* to : {&dst_, s_.residual ? &residual_ : nullptr})
      if (to) a_.add(*to, a_.ptr[a_.args() + offsetof(OconvArgs, dst_step)]);
  });
}

void DepthwiseF32::tile(int at) {
  for (const Vec& acc : acc_) a_.vbroadcastss(acc, a_.ptr[weights_]);
  const int count = static_cast<int>(acc_.size());
  const int last = (count - 1) * s_.step_y + (s_.kernel_y - 1) * s_.dilation_y;
  for (int row = 0; row <= last; ++row) source_row(row);
  a_.note("epilogue");
  for (int r = 0; r < count; ++r) epilogue(acc_[static_cast<size_t>(r)], r, at);
}

// Whether result row r has taps in this source row, and which row of taps.
static int tap_row(const DepthwiseF32Spec& s, int row, int r) {
  const int from = row - r * s.step_y;
  return from >= 0 && from % s.dilation_y == 0 && from / s.dilation_y < s.kernel_y ? from / s.dilation_y : -1;
}

// Pixel step * i + tap of the first load or of the second one, which follows it or is another row.
void DepthwiseF32::orders() {
  if (s_.step_x == 1 && !paired()) return;  // one register that is shifted
  for (int j = 0; j < s_.kernel_x; ++j) {
    std::vector<uint32_t> order;
    for (int i = 0; i < kVectorPixels; ++i) {
      const int half = paired() && i >= kVectorPixels / 2 ? kVectorPixels / 2 : 0;
      order.push_back(static_cast<uint32_t>(2 * half + (i - half) * s_.step_x + j * s_.dilation_x) % 32);
    }
    orders_.push_back(a_.vec("order of a tap"));
    a_.load(orders_.back(), a_.constant_vector(order));
  }
}

void DepthwiseF32::permuted_row(int row) {
  const Vec &first = work_[0], &second = work_[1], &tap = work_[2];
  a_.load(first, a_.ptr[source(row, 0)]);
  if (orders_.empty()) {
    multiply(first, row, 0);
    for (int j = 1; j < s_.kernel_x; ++j) {
      a_.valignd(tap.zmm(), first.zmm(), first.zmm(), static_cast<uint8_t>(j * s_.dilation_x));
      multiply(tap, row, j);
    }
    return;
  }
  load_second(second, row, 0);
  for (int j = 0; j < s_.kernel_x; ++j) {
    const Vec& to = j + 1 < s_.kernel_x ? tap : first;
    if (j + 1 < s_.kernel_x) a_.copy(to, first);
    a_.vpermt2d(to, orders_[static_cast<size_t>(j)], second);
    multiply(to, row, j);
  }
}

void DepthwiseF32::source_row(int row) {
  bool read = false;
  for (int r = 0; r < static_cast<int>(acc_.size()); ++r) read |= tap_row(s_, row, r) >= 0;
  if (!read) return;
  if (is_permuted(s_)) return permuted_row(row);
  const Vec &low = work_[0], &high = work_[1], &even = work_[2];
  for (int j = 0; j < s_.kernel_x; ++j) {
    load(low, row, j * s_.dilation_x);
    if (!pairs_) {
      multiply(low, row, j);
      continue;
    }
    load_second(high, row, j * s_.dilation_x);
    pairs_->even(even, low, high);
    multiply(even, row, j);
    if (s_.dilation_x > 1 || j + 1 == s_.kernel_x) continue;  // the odd pixels are the next tap's
    pairs_->odd(even, low, high);
    multiply(even, row, ++j);
  }
}

void DepthwiseF32::multiply(const Vec& pixels, int row, int j) {
  for (int r = 0; r < static_cast<int>(acc_.size()); ++r) {
    const int i = tap_row(s_, row, r);
    if (i < 0) continue;
    const Vec& acc = acc_[static_cast<size_t>(r)];
    const int tap = i * s_.kernel_x + j;
    if (tap < static_cast<int>(resident_.size())) {
      a_.vfmadd231ps(acc, pixels, resident_[static_cast<size_t>(tap)]);
    } else if (a_.avx512()) {
      a_.vfmadd231ps(acc, pixels, a_.ptr_b[weights_ + weight_at(tap)]);
    } else {
      a_.vbroadcastss(work_[3], a_.ptr[weights_ + weight_at(tap)]);
      a_.vfmadd231ps(acc, pixels, work_[3]);
    }
  }
}

void DepthwiseF32::load(const Vec& to, int row, int pixels) {
  if (!paired() || pairs_) return a_.load(to, a_.ptr[source(row, pixels)]);
  a_.load(to.ymm(), a_.ptr[source(row, pixels)]);
  a_.vinserti64x4(to.zmm(), to.zmm(), a_.ptr[source(row + second() * s_.step_y, pixels)], 1);
}

// The pixels behind those of load(), or those of the second row of a pair.
void DepthwiseF32::load_second(const Vec& to, int row, int pixels) {
  a_.load(to, a_.ptr[paired() ? source(row + second() * s_.step_y, pixels) : source(row, pixels + a_.lanes())]);
}

void DepthwiseF32::epilogue(const Vec& acc, int row, int at) {
  const Vec& other = work_[2];
  if (pairs_) pairs_->in_order(acc);
  if (s_.residual && paired()) {
    a_.load(other.ymm(), a_.ptr[result(residual_, row)]);
    a_.vinserti64x4(other.zmm(), other.zmm(), a_.ptr[result(residual_, row + second())], 1);
    a_.vaddps(acc, acc, other);
  } else if (s_.residual) {
    a_.vaddps(acc, acc, a_.ptr[result(residual_, row)]);
  }
  activate(acc);
  if (paired()) {
    a_.vextracti64x4(other.ymm(), acc.zmm(), 1);
    store(result(dst_, row + second()), other, at);
  }
  store(result(dst_, row), acc, at);
}

// AVX-512 stores what is not a whole register at once.
void DepthwiseF32::store(const Xbyak::RegExp& to, const Vec& v, int at) {
  const bool inside = at == kAnywhere || at + lanes() <= s_.w;
  const std::optional<Mask>& mask = inside ? whole_ : tail_;
  if (!mask) return store_row(a_, a_.ptr[to], v, v, at, {s_.w, 0});
  a_.store_masked(a_.ptr[to], *mask, paired() ? static_cast<const Xbyak::Xmm&>(v.ymm()) : v);
}

// Two temporaries are all there is: swish keeps its factor in memory.
void DepthwiseF32::activate(const Vec& v) {
  const bool clip = s_.act == Activation::clip;
  const Xbyak::Address alpha = ConvConstants::at(a_, clip ? Name::v_lo : Name::alpha),
                       beta = ConvConstants::at(a_, clip ? Name::v_hi : Name::beta);
  const std::vector<const Vec*> temps = {&work_[0], &work_[1]};
  if (s_.act != Activation::swish) return emit_activation(a_, s_.act, v, temps, &alpha, &beta);
  a_.store(ConvConstants::at(a_, Name::saved), v);
  a_.vmulps(v, v, alpha);
  emit_activation(a_, Activation::sigmoid, v, temps, nullptr, nullptr);
  a_.vmulps(v, v, ConvConstants::at(a_, Name::saved));
}

}  // namespace

std::string describe(const DepthwiseF32Spec& s) {
  std::string text = cat("depthwise f32 ", to_string(s.isa), " ", s.kernel_y, "x", s.kernel_x);
  if (s.dilation_y != 1 || s.dilation_x != 1) text += cat(" dilation", s.dilation_y, ",", s.dilation_x);
  if (s.step_y != 1 || s.step_x != 1) text += cat(" step", s.step_y, ",", s.step_x);
  text += cat(" rows", s.rows, " w", s.w, " at", s.origin, ",", s.src_row, ",", s.dst_row);
  if (s.residual) text += " +f32";
  if (s.act != Activation::none) text += cat(" ", to_string(s.act));
  return text;
}

Status check(const DepthwiseF32Spec& s) {
  constexpr int kMostTaps = 256, kMostRows = 32;
  const auto least = std::min({s.kernel_y, s.kernel_x, s.dilation_y, s.dilation_x, s.step_y, s.rows, s.w});
  if (least < 1) return invalid_argument("an extent of ", least, ", expected 1 or more");
  if (int64_t{s.kernel_y} * s.kernel_x > kMostTaps)
    return unsupported(s.kernel_y, "x", s.kernel_x, " taps, a depthwise kernel takes ", kMostTaps);
  if (s.step_x != 1 && s.step_x != 2)
    return unsupported("a step of ", s.step_x, " pixels, a depthwise kernel takes 1 or 2");
  const int orders = is_permuted(s) ? s.kernel_x : 2;
  if (s.rows > kMostRows || accumulators(s) + work_registers(s) + orders > (has_avx512(s.isa) ? 32 : 16))
    return unsupported("a tile of ", s.rows, " rows, which lack registers");
  if (!conv_applies(s.act)) return unsupported("no ", to_string(s.act), " behind a convolution");
  const double rows = double{1} * s.rows * s.step_y + double{1} * s.kernel_y * s.dilation_y;
  const double reach = std::abs(static_cast<double>(s.origin)) + rows * std::abs(static_cast<double>(s.src_row)) +
                       double{1} * kPixelBytes * s.kernel_x * s.dilation_x +
                       s.rows * std::abs(static_cast<double>(s.dst_row));
  if (reach > std::numeric_limits<int32_t>::max() / 2) return unsupported("rows of more than 2^30 bytes in a tile");
  return {};
}

int depthwise_f32_rows(const DepthwiseF32Spec& s, int h) {
  const bool wide = has_avx512(s.isa);
  int most = wide ? 6 : 3;
  if (wide && s.w <= kVectorPixels / 2) most *= 2;
  const int tiles = (h + most - 1) / most;
  return (h + tiles - 1) / tiles;
}

std::vector<float> pack_depthwise_f32(const DepthwiseF32Spec& s, int64_t planes,
                                      const std::function<float(int64_t)>& bias,
                                      const std::function<float(int64_t plane, int i, int j)>& weight) {
  std::vector<float> packed;
  for (int64_t p = 0; p < planes; ++p) {
    packed.push_back(bias(p));
    for (int i = 0; i < s.kernel_y; ++i)
      for (int j = 0; j < s.kernel_x; ++j) packed.push_back(weight(p, i, j));
  }
  return packed;
}

Result<MachineCode> generate(const DepthwiseF32Spec& spec, const GenerateOptions& options) {
  if (Status status = check(spec); !status.ok()) return std::move(status).context(describe(spec)).error();
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) {
    Gp caller_stack = a.gp("caller's stack");
    a.enter_frame(caller_stack, ConvConstants::bytes(a));
    ConvConstants::emit(a, DType::f32, offsetof(OconvArgs, epilogue));
    DepthwiseF32(a, spec).generate();
    a.leave_frame(caller_stack);
  });
}

}  // namespace quadlane
