// Walks planes, result rows and steps of a resample kernel. A result row reads one or two source rows, given by the row
// table; a step makes one register of result pixels, or two from one register of source pixels in the 2x kernels.
#include "jit/kernels/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "jit/kernels/resample_bodies.h"
#include "jit/kernels/table_rows.h"

namespace quadlane {
namespace {

class Resample {
 public:
  Resample(Assembler& a, const ResampleSpec& s)
      : a_(a),
        s_(s),
        body_(make_resample_body(a, s,
                                 ResampleRegisters{first_, second_, entry_, dst_, x_src_, x_dst_, columns_, pad_})) {}
  void generate();

 private:
  void row();

  Assembler& a_;
  const ResampleSpec& s_;
  Gp index_ = a_.gp("plane index"), entry_ = a_.gp("row table"), src_ = a_.gp("src"), dst_ = a_.gp("dst");
  Gp first_ = a_.gp("first row"), second_ = a_.gp("second row"), columns_ = a_.gp("columns");
  Gp x_src_ = a_.gp("x src"), x_dst_ = a_.gp("x dst");
  Vec pad_ = a_.vec("pad");
  std::unique_ptr<ResampleBody> body_;
};

void Resample::generate() {
  body_->load_constants();
  for_table_rows<ResampleArgs, ResampleRow>(a_, {index_, entry_, src_, dst_, pad_}, [&] { row(); });
}

void Resample::row() {
  a_.mov(first_, a_.ptr[entry_ + offsetof(ResampleRow, first)]);
  a_.add(first_, src_);
  a_.mov(second_, a_.ptr[entry_ + offsetof(ResampleRow, second)]);
  a_.add(second_, src_);
  a_.xor_(x_src_, x_src_);
  a_.xor_(x_dst_, x_dst_);
  body_->begin_row();
  if (is_2x(s_)) {
    // A step of the loop reads one pixel on either side of its own.
    int step = 2 * a_.lanes();
    walk_row(a_, s_.dst, step, 1, 2 * (s_.src_w - 1), {{x_src_, a_.vector_bytes()}, {x_dst_, 2 * a_.vector_bytes()}},
             [&](int at) { body_->step(at); });
    return;
  }
  a_.load_arg(columns_, offsetof(ResampleArgs, columns));
  walk_row(a_, s_.dst, a_.lanes(), {{columns_, a_.vector_bytes()}, {x_dst_, a_.vector_bytes()}},
           [&](int at) { body_->step(at); });
}

const char* to_string(ResampleKind kind) {
  switch (kind) {
    case ResampleKind::nearest: return "nearest";
    case ResampleKind::nearest_2x: return "nearest_2x";
    case ResampleKind::linear: return "linear";
    case ResampleKind::linear_2x: return "linear_2x";
  }
  return "?";
}

const char* to_string(ResampleWindows windows) {
  switch (windows) {
    case ResampleWindows::none: return " w";
    case ResampleWindows::narrow: return " windows w";
    case ResampleWindows::wide: return " wide windows w";
  }
  return "?";
}

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

size_t lanes_of(const ResampleSpec& s) { return vector_lanes(s.isa); }

// Source columns that one register of result pixels needs.
struct Window {
  int first = 0, last_first = 0, second = 0, last_second = 0;
};
Window window_of(const ResampleSpec& s, std::span<const ResampleTap> taps) {
  Window w{taps[0].first, taps[0].first, taps[0].second, taps[0].second};
  for (const ResampleTap& t : taps) {
    w.first = std::min(w.first, t.first);
    w.last_first = std::max(w.last_first, t.first);
    w.second = std::min(w.second, t.second);
    w.last_second = std::max(w.last_second, t.second);
  }
  if (!has_avx512(s.isa)) return w;
  // One for both; a wide one ends with the row where it would reach behind it.
  w.first = w.second = std::min(w.first, w.second);
  w.last_first = w.last_second = std::max(w.last_first, w.last_second);
  if (w.last_first - w.first >= kVectorPixels)
    w.first = w.second = std::min(w.first, std::max(0, s.src_w - 2 * kVectorPixels));
  return w;
}

// QL_OPS.md: 11 bits for each axis.
uint32_t weight_of(float fraction) { return static_cast<uint32_t>(std::lrint(fraction * 2048.0f)); }

}  // namespace

std::unique_ptr<ResampleBody> make_resample_body(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) {
  return is_2x(s) ? make_resample_2x(a, s, r) : make_resample_table(a, s, r);
}

std::string describe(const ResampleSpec& s) {
  return cat("resample_", to_string(s.kind), s.f32 ? "_f32" : "_u8", to_string(s.windows), s.src_w, "->",
             describe(s.dst), " ", to_string(s.isa));
}

Result<MachineCode> generate(const ResampleSpec& s, const GenerateOptions& options) {
  if (s.src_w < 1 || s.dst.w < 1 || s.dst.gap < 0) return invalid_argument(describe(s), ": extent out of range");
  if (is_2x(s) && s.dst.w != 2 * s.src_w)
    return invalid_argument(describe(s), ": twice ", s.src_w, " columns are not ", s.dst.w);
  return assemble(describe(s), s.isa, options, [&](Assembler& a) { Resample(a, s).generate(); });
}

std::vector<ResampleRow> resample_rows(const ResampleSpec& s, std::span<const ResampleTap> taps, int src_pitch) {
  std::vector<ResampleRow> rows;
  for (const ResampleTap& t : taps) {
    int64_t bytes = int64_t{src_pitch} * kPixelBytes;
    ResampleRow row{t.first * bytes, t.second * bytes, 0, 0};
    row.w_second = s.f32 ? bits_of(t.fraction) : weight_of(t.fraction);
    row.w_first = s.f32 ? bits_of(1 - t.fraction) : 2048 - weight_of(t.fraction);
    rows.push_back(row);
  }
  return rows;
}

ResampleWindows fitting_windows(const ResampleSpec& s, std::span<const ResampleTap> columns) {
  if (is_2x(s)) return ResampleWindows::none;
  const size_t lanes = lanes_of(s);
  int widest = 0;
  for (size_t x = 0; x < columns.size(); x += lanes) {
    Window w = window_of(s, columns.subspan(x, std::min(lanes, columns.size() - x)));
    widest = std::max({widest, w.last_first - w.first + 1, w.last_second - w.second + 1});
  }
  if (widest <= static_cast<int>(lanes)) return ResampleWindows::narrow;
  const bool wide = has_avx512(s.isa) && widest <= 2 * kVectorPixels;
  return wide ? ResampleWindows::wide : ResampleWindows::none;
}

std::vector<std::byte> resample_columns(const ResampleSpec& s, std::span<const ResampleTap> taps) {
  size_t width = static_cast<size_t>((s.dst.w + kVectorPixels - 1) / kVectorPixels * kVectorPixels);
  const bool nearest = s.kind == ResampleKind::nearest, windows = s.windows != ResampleWindows::none;
  size_t lists = nearest ? 1 : s.f32 ? 4 : 3, lanes = lanes_of(s);
  std::vector<uint32_t> table(width * (lists + (!windows ? 0 : nearest ? 1 : 2)), 0);
  auto entry = [&](size_t number, size_t x) -> uint32_t& { return table[number * width + x]; };
  Window window;
  for (size_t x = 0; x < taps.size(); ++x) {
    const ResampleTap& t = taps[x];
    if (windows && x % lanes == 0) {
      window = window_of(s, taps.subspan(x, std::min(lanes, taps.size() - x)));
      entry(lists, x) = static_cast<uint32_t>(window.first * kPixelBytes);
      if (!nearest) entry(lists + 1, x) = static_cast<uint32_t>(window.second * kPixelBytes);
    }
    entry(0, x) = static_cast<uint32_t>(windows ? t.first - window.first : t.first * kPixelBytes);
    if (nearest) continue;
    entry(1, x) = static_cast<uint32_t>(windows ? t.second - window.second : t.second * kPixelBytes);
    uint32_t weight = weight_of(t.fraction);
    entry(2, x) = s.f32 ? bits_of(1 - t.fraction) : (2048 - weight) | weight << 16;
    if (s.f32) entry(3, x) = bits_of(t.fraction);
  }
  std::vector<std::byte> bytes(table.size() * sizeof(uint32_t));
  std::memcpy(bytes.data(), table.data(), bytes.size());
  return bytes;
}

}  // namespace quadlane
