// Channel kernels. Tile: one 16-pixel vector; planes are visited in loops, results of a loop stay in registers.
//
//   for each vector:
//     softmax:    for planes: m = max(m, x)   for planes: e = exp(x - m), s += e, store e   for planes: e / s
//     reduction:  for planes: r = r + x, max(r, x), ...                                    store r
//     argmax:     for planes: where x > r: r = x, index = channel                          store index
//
// argmax of quads takes the four bytes of a plane's pixels one after the other; channels that a plane lacks have index
// -1 and are passed over.
#include "jit/kernels/channels.h"

#include <bit>
#include <limits>

#include "jit/kernels/functions.h"

namespace quadlane {
namespace {

class Channels {
 public:
  Channels(Assembler& a, const ChannelsSpec& s) : a_(a), s_(s) {}
  void generate();

 private:
  void softmax(int half);
  void reduce(int half);
  void index(int half);
  void index_u8(int half, const Gp& plane);
  // body(plane number) with the address of this vector's pixels in src_ (and in dst_ for softmax).
  void for_each_plane(int half, const std::function<void()>& body, bool with_result = false);
  void apply(Activation act, const Vec& v);
  void better(const Vec& value, const Vec& channel, const Vec& best, const Vec& at);
  void store(const Vec& v, int half);
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }
  Xbyak::Address real(float value) { return a_.constant_lanes(std::bit_cast<uint32_t>(value)); }
  bool is_index() const { return s_.op == ChannelsOp::argmax || s_.op == ChannelsOp::argmin; }

  Assembler& a_;
  const ChannelsSpec& s_;
  Gp src_planes_ = a_.gp("src planes"), dst_planes_ = a_.gp("dst planes"), x_ = a_.gp("x");
  Gp src_ = a_.gp("src"), dst_ = a_.gp("dst"), plane_ = a_.gp("plane"), lanes_ = a_.gp("lanes");
};

void Channels::generate() {
  a_.load_arg(src_planes_, offsetof(ChannelsArgs, src_planes));
  a_.load_arg(dst_planes_, offsetof(ChannelsArgs, dst_planes));
  a_.load_arg(lanes_, offsetof(ChannelsArgs, lanes));
  Gp count = a_.gp("vectors");
  a_.load_arg(count, offsetof(ChannelsArgs, count));
  a_.xor_(x_, x_);
  a_.loop(count, [&] {
    for (int half = 0; half < a_.registers(); ++half) {
      if (is_index())
        index(half);
      else if (s_.op <= ChannelsOp::log_softmax)
        softmax(half);
      else
        reduce(half);
    }
    a_.add(x_, kVectorPixels * kPixelBytes);
    a_.add(lanes_, sizeof(uint16_t));
  });
}

void Channels::for_each_plane(int half, const std::function<void()>& body, bool with_result) {
  Gp planes = a_.gp("planes");
  a_.load_arg(planes, offsetof(ChannelsArgs, planes));
  a_.xor_(plane_, plane_);
  a_.loop(planes, [&] {
    a_.mov(src_, a_.ptr[src_planes_ + plane_ * 8]);
    a_.add(src_, arg(offsetof(ChannelsArgs, src)));
    if (half) a_.add(src_, half * a_.vector_bytes());
    if (with_result) {
      a_.mov(dst_, a_.ptr[dst_planes_ + plane_ * 8]);
      a_.add(dst_, arg(offsetof(ChannelsArgs, dst)));
      if (half) a_.add(dst_, half * a_.vector_bytes());
    }
    body();
    a_.inc(plane_);
  });
}

void Channels::apply(Activation act, const Vec& v) {
  std::vector<Vec> temps = a_.vecs("temp", activation_temps(act));
  std::vector<const Vec*> pointers;
  for (const Vec& t : temps) pointers.push_back(&t);
  emit_activation(a_, act, v, pointers, nullptr, nullptr);
}

void Channels::softmax(int half) {
  Vec most = a_.vec("most"), sum = a_.vec("sum"), v = a_.vec("v"), pad = a_.vec("pad");
  a_.load(most, real(-std::numeric_limits<float>::infinity()));
  for_each_plane(half, [&] { a_.vmaxps(most, most, a_.ptr[src_ + x_]); });
  a_.zero(sum);
  const bool log = s_.op == ChannelsOp::log_softmax;
  for_each_plane(
      half,
      [&] {
        a_.load(v, a_.ptr[src_ + x_]);
        a_.vsubps(v, v, most);
        if (log) a_.store(a_.ptr[dst_ + x_], v);
        apply(Activation::exp, v);
        a_.vaddps(sum, sum, v);
        if (!log) a_.store(a_.ptr[dst_ + x_], v);
      },
      true);
  if (log) apply(Activation::log, sum);
  Mask pixels = a_.mask("pixels");
  a_.load_lanes(pixels, a_.ptr[lanes_], half);
  Gp pads = a_.gp("pads");
  a_.load_arg(pads, offsetof(ChannelsArgs, dst_pad));
  for_each_plane(
      half,
      [&] {
        a_.load(v, a_.ptr[dst_ + x_]);
        log ? a_.vsubps(v, v, sum) : a_.vdivps(v, v, sum);
        a_.vpbroadcastd(pad, a_.ptr[pads + plane_ * 4]);
        a_.blend(v, pixels, v, pad);
        a_.store(a_.ptr[dst_ + x_], v);
      },
      true);
}

void Channels::reduce(int half) {
  Vec r = a_.vec("result"), v = a_.vec("v");
  const float infinity = std::numeric_limits<float>::infinity();
  a_.load(r, real(s_.op == ChannelsOp::max ? -infinity : s_.op == ChannelsOp::min ? infinity : 0));
  for_each_plane(half, [&] {
    const Xbyak::Address at = a_.ptr[src_ + x_];
    switch (s_.op) {
      case ChannelsOp::max: return a_.vmaxps(r, r, at);
      case ChannelsOp::min: return a_.vminps(r, r, at);
      case ChannelsOp::sum: return a_.vaddps(r, r, at);
      default: break;
    }
    a_.load(v, at);
    if (s_.op == ChannelsOp::sum_abs) {
      a_.bit_and(v, v, a_.constant_lanes(0x7fffffffu));
      return a_.vaddps(r, r, v);
    }
    a_.vfmadd231ps(r, v, v);
  });
  if (s_.op == ChannelsOp::norm) a_.vsqrtps(r, r);
  a_.vbroadcastss(v, arg(offsetof(ChannelsArgs, factor)));
  a_.vmulps(r, r, v);
  store(r, half);
}

// best and at take value and channel where the value is better.
void Channels::better(const Vec& value, const Vec& channel, const Vec& best, const Vec& at) {
  // lt, le; gt, ge: with the operands exchanged. Bytes are compared as the integers in their dwords.
  const bool less = s_.op == ChannelsOp::argmin;
  const Vec &a = less ? value : best, &b = less ? best : value;
  Mask yes = a_.mask("better");
  if (s_.f32) {
    const uint8_t predicate = s_.last ? 2 : 1;  // a <= b, a < b
    a_.avx512() ? a_.vcmpps(yes.k(), a, b, predicate) : a_.vcmpps(yes.vec(), a, b, predicate);
  } else if (a_.avx512()) {
    a_.vpcmpd(yes.k(), a, b, s_.last ? 2 : 1);
  } else if (s_.last) {  // !(a > b)
    Vec ones = a_.vec("ones");
    a_.vpcmpeqd(ones, ones, ones);
    a_.vpcmpgtd(yes.vec(), a, b);
    a_.vpxor(yes.vec(), yes.vec(), ones);
  } else {
    a_.vpcmpgtd(yes.vec(), b, a);
  }
  a_.blend(best, yes, value, best);
  a_.blend(at, yes, channel, at);
}

void Channels::index(int half) {
  Vec best = a_.vec("best"), at = a_.vec("at"), value = a_.vec("value"), channel = a_.vec("channel");
  const bool most = s_.op == ChannelsOp::argmax;
  const float infinity = std::numeric_limits<float>::infinity();
  a_.load(best, s_.f32 ? real(most ? -infinity : infinity) : a_.constant_lanes(most ? ~0u : 256));
  a_.zero(at);
  Gp channels = a_.gp("channels");
  a_.load_arg(channels, offsetof(ChannelsArgs, channels));
  for_each_plane(half, [&] {
    if (s_.f32) {
      a_.load(value, a_.ptr[src_ + x_]);
      a_.vpbroadcastd(channel, a_.ptr[channels + plane_ * 4]);
      return better(value, channel, best, at);
    }
    for (int lane = 0; lane < 4; ++lane) {
      Xbyak::Label absent;
      a_.cmp(a_.dword[channels + lane * 4], 0);
      a_.jl(absent, Xbyak::CodeGenerator::T_NEAR);
      a_.load(value, a_.ptr[src_ + x_]);
      if (lane < 3) a_.vpslld(value, value, static_cast<uint8_t>(24 - 8 * lane));
      a_.vpsrld(value, value, 24);
      a_.vpbroadcastd(channel, a_.ptr[channels + lane * 4]);
      better(value, channel, best, at);
      a_.L(absent);
    }
    a_.add(channels, 16);
  });
  store(at, half);
}

void Channels::store(const Vec& v, int half) {
  Vec pad = a_.vec("pad");
  Mask pixels = a_.mask("pixels");
  a_.load_arg(dst_, offsetof(ChannelsArgs, dst_pad));
  a_.vpbroadcastd(pad, a_.ptr[dst_]);
  a_.load_lanes(pixels, a_.ptr[lanes_], half);
  a_.blend(v, pixels, v, pad);
  a_.mov(dst_, a_.ptr[dst_planes_]);
  a_.add(dst_, arg(offsetof(ChannelsArgs, dst)));
  a_.store(a_.ptr[dst_ + x_ + half * a_.vector_bytes()], v);
}

}  // namespace

const char* to_string(ChannelsOp op) {
  switch (op) {
    case ChannelsOp::softmax: return "softmax";
    case ChannelsOp::log_softmax: return "log_softmax";
    case ChannelsOp::sum: return "sum";
    case ChannelsOp::sum_squares: return "sum_squares";
    case ChannelsOp::sum_abs: return "sum_abs";
    case ChannelsOp::norm: return "norm";
    case ChannelsOp::max: return "max";
    case ChannelsOp::min: return "min";
    case ChannelsOp::argmax: return "argmax";
    case ChannelsOp::argmin: return "argmin";
  }
  return "?";
}

std::string describe(const ChannelsSpec& s) {
  return cat("channels_", to_string(s.op), s.last ? "_last" : "", s.f32 ? "_f32 " : "_u8 ", to_string(s.isa));
}

Result<MachineCode> generate(const ChannelsSpec& s, const GenerateOptions& options) {
  if (!s.f32 && s.op < ChannelsOp::argmax) return unsupported(describe(s), ": bytes have argmax and argmin only");
  return assemble(describe(s), s.isa, options, [&](Assembler& a) { Channels(a, s).generate(); });
}

}  // namespace quadlane
