// Channel kernels. Tile: a few neighbouring vectors, so that a plane gives more than a cache line whenever it is
// visited; planes are visited in loops, results of a loop stay in registers.
//
//   for each tile:
//     softmax:    for planes: m = max(m, x)   for planes: e = exp(x - m), s += e, store e   for planes: e / s
//     reduction:  for planes: r = r + x, max(r, x), ...                                    store r
//     argmax:     for planes: where x > r: r = x, index = channel                          store index
//
// argmax of quads does so for each of the four bytes by itself, with plane numbers as bytes; then the best byte of a
// pixel is found by keys value << 16 | position, position = 4 * plane + byte. Bytes that are no channel never win.
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
  // Of n registers of pixels.
  void tile(int n);
  void softmax(int n);
  void reduce(int n);
  void index_f32(int n);
  void index_u8(int n);
  void find_first_planes();
  void load_absent(const Vec& absent, const Gp& channels);
  void better_bytes(const Vec& best, const Vec& where, const Vec& pixels, const Vec& number, const Mask& present);
  void better_bytes_avx2(const Vec& best, const Vec& where, const Vec& pixels, const Vec& number, const Vec& absent);
  void best_byte(const Vec& best, const Vec& where);
  int largest_tile() const;
  // body() with the address of the tile's pixels in src_ (and in dst_ for softmax).
  void for_each_plane(const std::function<void()>& body, bool with_result = false);
  // Of many planes read in turn the processor foresees few: the tile after the next one of this plane.
  void prefetch(int n) {
    for (int at = 0; at < n * a_.vector_bytes(); at += 64)
      a_.prefetcht0(a_.ptr[src_ + x_ + 2 * n * a_.vector_bytes() + at]);
  }
  Xbyak::Address source(int i) { return a_.ptr[src_ + x_ + i * a_.vector_bytes()]; }
  void apply(Activation act, const Vec& v);
  void better(const Vec& value, const Vec& channel, const Vec& best, const Vec& at);
  void store(const std::vector<Vec>& tile);
  void store_pixels(const Vec& v, const Vec& pad, int i);
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }
  Xbyak::Address real(float value) { return a_.constant_lanes(std::bit_cast<uint32_t>(value)); }
  bool is_index() const { return s_.op == ChannelsOp::argmax || s_.op == ChannelsOp::argmin; }

  Assembler& a_;
  const ChannelsSpec& s_;
  Gp src_planes_ = a_.gp("src planes"), dst_planes_ = a_.gp("dst planes"), x_ = a_.gp("x");
  Gp src_ = a_.gp("src"), dst_ = a_.gp("dst"), plane_ = a_.gp("plane"), lanes_ = a_.gp("lanes");
  std::vector<Vec> first_, never_;  // index_u8: bytes
};

void Channels::generate() {
  a_.load_arg(src_planes_, offsetof(ChannelsArgs, src_planes));
  a_.load_arg(dst_planes_, offsetof(ChannelsArgs, dst_planes));
  a_.load_arg(lanes_, offsetof(ChannelsArgs, lanes));
  Gp count = a_.gp("vectors");
  a_.load_arg(count, offsetof(ChannelsArgs, count));
  a_.xor_(x_, x_);
  if (is_index() && !s_.f32) find_first_planes();
  const int vectors = largest_tile() / a_.registers();
  auto tiles = [&](int of) {
    Xbyak::Label top, done;
    a_.L(top);
    a_.cmp(count, of);
    a_.jl(done);
    tile(of * a_.registers());
    a_.add(x_, of * kVectorPixels * kPixelBytes);
    a_.add(lanes_, of * static_cast<int>(sizeof(uint16_t)));
    a_.sub(count, of);
    a_.jmp(top);
    a_.L(done);
  };
  tiles(vectors);
  if (vectors > 1) tiles(1);
}

// As many as registers allow.
int Channels::largest_tile() const { return a_.avx512() ? 4 : a_.registers(); }

void Channels::tile(int n) {
  if (is_index()) return s_.f32 ? index_f32(n) : index_u8(n);
  s_.op <= ChannelsOp::log_softmax ? softmax(n) : reduce(n);
}

void Channels::for_each_plane(const std::function<void()>& body, bool with_result) {
  Gp planes = a_.gp("planes");
  a_.load_arg(planes, offsetof(ChannelsArgs, planes));
  a_.xor_(plane_, plane_);
  a_.loop(planes, [&] {
    a_.mov(src_, a_.ptr[src_planes_ + plane_ * 8]);
    a_.add(src_, arg(offsetof(ChannelsArgs, src)));
    if (with_result) {
      a_.mov(dst_, a_.ptr[dst_planes_ + plane_ * 8]);
      a_.add(dst_, arg(offsetof(ChannelsArgs, dst)));
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

void Channels::softmax(int n) {
  std::vector<Vec> most = a_.vecs("most", n), sum = a_.vecs("sum", n);
  Vec v = a_.vec("v"), pad = a_.vec("pad");
  const auto count = static_cast<size_t>(n);
  for (const Vec& m : most) a_.load(m, real(-std::numeric_limits<float>::infinity()));
  for_each_plane([&] {
    prefetch(n);
    for (size_t i = 0; i < count; ++i) a_.vmaxps(most[i], most[i], source(static_cast<int>(i)));
  });
  for (const Vec& s : sum) a_.zero(s);
  const bool log = s_.op == ChannelsOp::log_softmax;
  auto result = [&](size_t i) { return a_.ptr[dst_ + x_ + static_cast<int>(i) * a_.vector_bytes()]; };
  for_each_plane(
      [&] {
        for (size_t i = 0; i < count; ++i) {
          a_.load(v, source(static_cast<int>(i)));
          a_.vsubps(v, v, most[i]);
          if (log) a_.store(result(i), v);
          apply(Activation::exp, v);
          a_.vaddps(sum[i], sum[i], v);
          if (!log) a_.store(result(i), v);
        }
      },
      true);
  for (const Vec& s : sum) apply(log ? Activation::log : Activation::reciprocal, s);
  Gp pads = a_.gp("pads");
  a_.load_arg(pads, offsetof(ChannelsArgs, dst_pad));
  for_each_plane(
      [&] {
        a_.vpbroadcastd(pad, a_.ptr[pads + plane_ * 4]);
        for (size_t i = 0; i < count; ++i) {
          a_.load(v, result(i));
          log ? a_.vsubps(v, v, sum[i]) : a_.vmulps(v, v, sum[i]);
          store_pixels(v, pad, static_cast<int>(i));
        }
      },
      true);
}

void Channels::reduce(int n) {
  std::vector<Vec> results = a_.vecs("result", n);
  Vec v = a_.vec("v");
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Vec& r : results)
    a_.load(r, real(s_.op == ChannelsOp::max ? -infinity : s_.op == ChannelsOp::min ? infinity : 0));
  auto take = [&](const Vec& r, const Xbyak::Address& at) {
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
  };
  for_each_plane([&] {
    prefetch(n);
    for (int i = 0; i < n; ++i) take(results[static_cast<size_t>(i)], source(i));
  });
  a_.vbroadcastss(v, arg(offsetof(ChannelsArgs, factor)));
  for (const Vec& r : results) {
    if (s_.op == ChannelsOp::norm) a_.vsqrtps(r, r);
    a_.vmulps(r, r, v);
  }
  store(results);
}

// best and at take value and channel where the value is better: lt, le; gt, ge with the operands exchanged.
void Channels::better(const Vec& value, const Vec& channel, const Vec& best, const Vec& at) {
  const bool less = s_.op == ChannelsOp::argmin;
  const Vec &a = less ? value : best, &b = less ? best : value;
  Mask yes = a_.mask("better");
  const uint8_t predicate = s_.last ? 2 : 1;  // a <= b, a < b
  a_.avx512() ? a_.vcmpps(yes.k(), a, b, predicate) : a_.vcmpps(yes.vec(), a, b, predicate);
  a_.blend(best, yes, value, best);
  a_.blend(at, yes, channel, at);
}

void Channels::index_f32(int n) {
  std::vector<Vec> best = a_.vecs("best", n), at = a_.vecs("at", n);
  Vec value = a_.vec("value"), channel = a_.vec("channel");
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Vec& v : best) a_.load(v, real(s_.op == ChannelsOp::argmax ? -infinity : infinity));
  for (const Vec& v : at) a_.zero(v);
  Gp channels = a_.gp("channels");
  a_.load_arg(channels, offsetof(ChannelsArgs, channels));
  for_each_plane([&] {
    prefetch(n);
    a_.vpbroadcastd(channel, a_.ptr[channels + plane_ * 4]);
    for (size_t i = 0; i < best.size(); ++i) {
      a_.load(value, source(static_cast<int>(i)));
      better(value, channel, best[i], at[i]);
    }
  });
  store(at);
}

// The bytes that are no channel of the plane whose entry `channels` points to: -1, else 0, the same for every pixel.
void Channels::load_absent(const Vec& absent, const Gp& channels) {
  a_.load(absent.xmm(), a_.ptr[channels]);
  a_.vpsrad(absent.xmm(), absent.xmm(), 31);
  a_.vpackssdw(absent.xmm(), absent.xmm(), absent.xmm());
  a_.vpacksswb(absent.xmm(), absent.xmm(), absent.xmm());
  a_.vpbroadcastd(absent, absent.xmm());
  a_.add(channels, 16);
}

// For each byte the first plane in which it is a channel, where its search begins; `never_`: there is none.
void Channels::find_first_planes() {
  never_.push_back(a_.vec("no channel"));
  first_.push_back(a_.vec("first plane"));
  Vec absent = a_.vec("absent"), number = a_.vec("plane number");
  a_.load(never_[0], a_.constant_lanes(~0u));
  a_.zero(first_[0]);
  a_.zero(number);
  Gp channels = a_.gp("channels");
  a_.load_arg(channels, offsetof(ChannelsArgs, channels));
  for_each_plane([&] {
    load_absent(absent, channels);
    Vec found = a_.vec("found here");
    a_.bit_andn(found, absent, never_[0]);
    a_.bit_and(never_[0], never_[0], absent);
    a_.bit_and(found, found, number);
    a_.bit_or(first_[0], first_[0], found);
    a_.vpaddb(number, number, a_.constant_lanes(0x01010101));
  });
}

void Channels::index_u8(int n) {
  std::vector<Vec> best = a_.vecs("best", n), where = a_.vecs("where", n);
  Vec value = a_.vec("value"), number = a_.vec("plane number"), absent = a_.vec("absent");
  a_.zero(number);
  for (const Vec& v : where) a_.copy(v, first_[0]);
  for (const Vec& v : best) s_.op == ChannelsOp::argmax ? a_.zero(v) : a_.load(v, a_.constant_lanes(~0u));
  Gp channels = a_.gp("channels");
  a_.load_arg(channels, offsetof(ChannelsArgs, channels));
  for_each_plane([&] {
    prefetch(n);
    load_absent(absent, channels);
    Mask present = a_.mask("present");
    if (a_.avx512()) {
      a_.vpmovb2m(present.k(), absent);
      a_.knotq(present.k(), present.k());
    }
    for (size_t i = 0; i < best.size(); ++i) {
      a_.load(value, source(static_cast<int>(i)));
      a_.avx512() ? better_bytes(best[i], where[i], value, number, present)
                  : better_bytes_avx2(best[i], where[i], value, number, absent);
    }
    a_.vpaddb(number, number, a_.constant_lanes(0x01010101));
  });
  for (size_t i = 0; i < best.size(); ++i) best_byte(best[i], where[i]);
  store(where);
}

void Channels::better_bytes(const Vec& best, const Vec& where, const Vec& pixels, const Vec& number,
                            const Mask& present) {
  const bool less = s_.op == ChannelsOp::argmin;
  Mask yes = a_.mask("better");
  a_.vpcmpub(yes.k() | present.k(), less ? pixels : best, less ? best : pixels, s_.last ? 2 : 1);
  less ? a_.vpminub(best | present.k(), best, pixels) : a_.vpmaxub(best | present.k(), best, pixels);
  a_.vmovdqu8(where | yes.k(), number);
}

void Channels::better_bytes_avx2(const Vec& best, const Vec& where, const Vec& pixels, const Vec& number,
                                 const Vec& absent) {
  const bool less = s_.op == ChannelsOp::argmin;
  Vec keep = a_.vec("keep");
  less ? a_.vpminub(keep, best, pixels) : a_.vpmaxub(keep, best, pixels);
  a_.vpcmpeqb(keep, keep, s_.last ? pixels : best);  // last: not worse; else: not better
  if (s_.last) a_.vpxor(keep, keep, a_.constant_lanes(~0u));
  a_.vpor(keep, keep, absent);
  a_.vpblendvb(best, pixels, best, keep);
  a_.vpblendvb(where, number, where, keep);
}

// where = the channel of the best byte. Among equal values the key prefers the lower position, or the higher one; a
// byte that was never seen has a negative key.
void Channels::best_byte(const Vec& best, const Vec& where) {
  Vec most = a_.vec("most"), key = a_.vec("key"), position = a_.vec("position");
  auto byte = [&](const Vec& to, const Vec& from, int j) {
    a_.vpsrld(to, from, static_cast<uint8_t>(8 * j));
    if (j < 3) a_.bit_and(to, to, a_.constant_lanes(0xff));
  };
  for (int j = 0; j < 4; ++j) {
    byte(position, where, j);
    a_.vpslld(position, position, 2);
    a_.vpaddd(position, position, a_.constant_lanes(static_cast<uint32_t>(j)));
    if (!s_.last) a_.bit_xor(position, position, a_.constant_lanes(0xffff));
    byte(key, best, j);
    if (s_.op == ChannelsOp::argmin) a_.bit_xor(key, key, a_.constant_lanes(0xff));
    a_.vpslld(key, key, 16);
    a_.bit_or(key, key, position);
    a_.vpslld(position, never_[0], static_cast<uint8_t>(24 - 8 * j));
    a_.bit_and(position, position, a_.constant_lanes(0x80000000u));
    a_.bit_or(j == 0 ? most : key, key, position);
    if (j > 0) a_.vpmaxsd(most, most, key);
  }
  a_.bit_and(position, most, a_.constant_lanes(0xffff));
  if (!s_.last) a_.bit_xor(position, position, a_.constant_lanes(0xffff));
  a_.vpslld(position, position, 2);
  Gp channels = a_.gp("channels");
  a_.load_arg(channels, offsetof(ChannelsArgs, channels));
  gather(a_, where, channels, 0, position, lane_bits(a_, 0, a_.lanes()));
}

void Channels::store(const std::vector<Vec>& tile) {
  Vec pad = a_.vec("pad");
  a_.load_arg(dst_, offsetof(ChannelsArgs, dst_pad));
  a_.vpbroadcastd(pad, a_.ptr[dst_]);
  a_.mov(dst_, a_.ptr[dst_planes_]);
  a_.add(dst_, arg(offsetof(ChannelsArgs, dst)));
  for (size_t i = 0; i < tile.size(); ++i) store_pixels(tile[i], pad, static_cast<int>(i));
}

void Channels::store_pixels(const Vec& v, const Vec& pad, int i) {
  Mask pixels = a_.mask("pixels");
  const int vector = i / a_.registers();
  a_.load_lanes(pixels, a_.ptr[lanes_ + vector * static_cast<int>(sizeof(uint16_t))], i % a_.registers());
  a_.blend(v, pixels, v, pad);
  a_.store(a_.ptr[dst_ + x_ + i * a_.vector_bytes()], v);
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
