// Rows of operands that walk or stand still, brought to what the loops take: one function for all of them.
#include <algorithm>
#include <cstring>

#include "engine/run/dense/elementwise.h"

namespace quadlane::run {
namespace {

constexpr int64_t kSpread = 1024;  // elements that are spread out at a time: they stay in the first-level cache
constexpr size_t kWidest = 8;      // bytes of an element

// f(T{}) with an unsigned type of the element's size.
template <class F>
void with_bits(int64_t bytes, const F& f) {
  if (bytes == 4)
    f(uint32_t{});
  else if (bytes == 1)
    f(uint8_t{});
  else
    f(uint64_t{});
}

struct Operand {
  Operand(const ElementRows& e, size_t k, size_t bytes)
      : from(static_cast<const std::byte*>(e.in[k])),
        bytes(static_cast<int64_t>(bytes)),
        row(e.row[k]),
        step(e.step[k]),
        is_line((e.n == 1 || step == 1) && (e.rows == 1 || row == e.n)) {}
  const std::byte* at(int64_t r, int64_t i) const { return from + (r * row + i * step) * bytes; }

  const std::byte* from;
  int64_t bytes, row, step;
  bool is_line;  // row lies behind row
};

class RowWalk {
 public:
  RowWalk(const ElementLoop& loop, Isa isa, const ElementRows& e) : loop_(loop), isa_(isa), e_(e) {}
  void run() {
    const bool lines = std::all_of(operands_, operands_ + loop_.operands, [](const Operand& o) { return o.is_line; });
    const int64_t total = e_.rows * e_.n;
    if (lines)
      line(0, total, false);
    else if (e_.n >= kElementGroup)
      rows();
    else
      for (int64_t at = 0; at < total; at += kSpread) line(at, std::min(kSpread, total - at), true);
  }

 private:
  ElementBlock block(int64_t at) const {
    return {{}, {}, {-1, -1, -1}, static_cast<std::byte*>(e_.out) + at * out_bytes(), 1, 0, e_.p};
  }
  int64_t out_bytes() const { return static_cast<int64_t>(size_of(loop_.out)); }

  // The element that stands still in a row becomes a group.
  void rows() {
    constexpr int64_t kTogether = kSpread / kElementGroup;
    for (int64_t r = 0; r < e_.rows; r += kTogether) {
      ElementBlock b = block(r * e_.n);
      b.rows = std::min(kTogether, e_.rows - r), b.n = e_.n;
      for (size_t k = 0; k < loop_.operands; ++k) {
        const Operand& o = operands_[k];
        b.in[k] = o.step ? o.at(r, 0) : spread_[k];
        b.row[k] = o.step ? o.row : kElementGroup, b.walk[k] = -o.step;
        if (!o.step) groups_of(o, r, b.rows, spread_[k]);
      }
      loop_.fn(isa_, b);
    }
  }

  static void groups_of(const Operand& o, int64_t r, int64_t rows, std::byte* to) {
    with_bits(o.bytes, [&]<class T>(T) {
      for (int64_t i = 0; i < rows; ++i)
        std::fill_n(reinterpret_cast<T*>(to) + i * kElementGroup, kElementGroup,
                    *reinterpret_cast<const T*>(o.at(r + i, 0)));
    });
  }

  // `count` elements of the result in one line; whatever is none is spread out.
  void line(int64_t at, int64_t count, bool spread) {
    ElementBlock b = block(at);
    b.n = count;
    for (size_t k = 0; k < loop_.operands; ++k) {
      const Operand& o = operands_[k];
      b.in[k] = o.is_line ? o.from + at * o.bytes : spread_[k];
      if (spread && !o.is_line) spread_out(o, at, count, spread_[k]);
    }
    if (count >= kElementGroup)
      loop_.fn(isa_, b);
    else
      less_than_a_group(b, count);
  }
  void spread_out(const Operand& o, int64_t at, int64_t count, std::byte* to) const {
    int64_t r = at / e_.n, i = at % e_.n;
    for (int64_t done = 0; done < count; ++r, i = 0) {
      const int64_t some = std::min(e_.n - i, count - done);
      if (o.step)
        std::memcpy(to + done * o.bytes, o.at(r, i), static_cast<size_t>(some * o.bytes));
      else
        with_bits(o.bytes, [&]<class T>(T) {
          std::fill_n(reinterpret_cast<T*>(to) + done, some, *reinterpret_cast<const T*>(o.at(r, i)));
        });
      done += some;
    }
  }
  // Through buffers, whose other elements come to nothing.
  void less_than_a_group(ElementBlock b, int64_t count) const {
    alignas(64) std::byte in[3][kElementGroup * kWidest] = {}, out[kElementGroup * kWidest];
    for (size_t k = 0; k < loop_.operands; ++k) {
      std::memcpy(in[k], b.in[k], static_cast<size_t>(count * operands_[k].bytes));
      b.in[k] = in[k];
    }
    void* to = std::exchange(b.out, out);
    b.n = kElementGroup;
    loop_.fn(isa_, b);
    std::memcpy(to, out, static_cast<size_t>(count * out_bytes()));
  }

  const ElementLoop& loop_;
  Isa isa_;
  const ElementRows& e_;
  Operand operands_[3] = {
      {e_, 0, loop_.operand_bytes(0)}, {e_, 1, loop_.operand_bytes(1)}, {e_, 2, loop_.operand_bytes(2)}};
  alignas(64) std::byte spread_[3][kSpread * kWidest];
};

}  // namespace

void run_rows(const ElementLoop& loop, Isa isa, const ElementRows& e) { RowWalk(loop, isa, e).run(); }

}  // namespace quadlane::run
