#include "engine/run/dense/elementwise.h"

#include <algorithm>

namespace quadlane::run {
namespace {

constexpr int64_t kTileElements = 8192;

// Steps of an operand along the axes of the result.
std::vector<int64_t> broadcast_steps(const Shape& own, const Shape& out) {
  std::vector<int64_t> steps(out.size(), 0);
  int64_t step = 1;
  for (size_t i = 0; i < own.size(); ++i) {
    const int64_t extent = own[own.size() - 1 - i];
    if (extent != 1) steps[out.size() - 1 - i] = step;
    step *= extent;
  }
  return steps;
}

}  // namespace

BroadcastStep::BroadcastStep(Isa isa, ElementLoop loop, const Shape& out, const std::vector<TensorType>& in,
                             std::array<float, 2> p)
    : isa_(isa), loop_(std::move(loop)), count_(elements(out)), p_(p) {
  std::vector<std::vector<int64_t>> steps;
  for (size_t k = 0; k < in.size(); ++k) steps.push_back(broadcast_steps(in[k].shape, out));
  for (size_t d = 0; d < out.size(); ++d) {
    if (out[d] == 1) continue;
    Axis axis{out[d], {}};
    for (size_t k = 0; k < in.size(); ++k) axis.step[k] = steps[k][d];
    bool continues = !outer_.empty();  // one walk with the axis before
    for (size_t k = 0; continues && k < in.size(); ++k) continues = outer_.back().step[k] == axis.step[k] * axis.extent;
    if (continues)
      outer_.back() = {outer_.back().extent * axis.extent, axis.step};
    else
      outer_.push_back(axis);
  }
  for (Axis* axis : {&inner_, &rows_})
    if (!outer_.empty()) {
      *axis = outer_.back();
      outer_.pop_back();
    }
}

void BroadcastStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  if (count_ == 0) return;
  const int64_t row_tile = std::max<int64_t>(1, kTileElements / inner_.extent);
  const int64_t row_tiles = (rows_.extent + row_tile - 1) / row_tile;
  const int64_t inner_tiles = (inner_.extent + kTileElements - 1) / kTileElements;
  const int64_t tiles = row_tiles * inner_tiles;
  Share share(count_ / (inner_.extent * rows_.extent) * tiles, part, parts);
  ElementRows rows{};
  rows.p[0] = p_[0], rows.p[1] = p_[1];
  for (size_t k = 0; k < loop_.operands; ++k) rows.step[k] = inner_.step[k], rows.row[k] = rows_.step[k];
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t tile = i % tiles, position = i / tiles;
    const int64_t row = tile / inner_tiles * row_tile, inner = tile % inner_tiles * kTileElements;
    rows.rows = std::min(row_tile, rows_.extent - row);
    rows.n = std::min(kTileElements, inner_.extent - inner);
    for (size_t k = 0; k < loop_.operands; ++k) {
      int64_t offset = row * rows_.step[k] + inner * inner_.step[k], rest = position;
      for (size_t a = outer_.size(); a-- > 0; rest /= outer_[a].extent)
        offset += rest % outer_[a].extent * outer_[a].step[k];
      rows.in[k] =
          static_cast<const std::byte*>(from[k].at(ctx)) + offset * static_cast<int64_t>(loop_.operand_bytes(k));
    }
    const int64_t to_offset = (position * rows_.extent + row) * inner_.extent + inner;
    rows.out = static_cast<std::byte*>(to.at(ctx)) + to_offset * static_cast<int64_t>(size_of(loop_.out));
    run_rows(loop_, isa_, rows);
  }
}

ElementFn find_elementwise(std::string_view name, size_t operands, DType in, DType out) {
  if (name == "Cast") return find_cast(in, out);
  if (operands == 2 && out == DType::boolean && in != out) return find_comparison(name, in);
  if (out != in) return nullptr;  // the type that a plan file names is the one that the loop writes
  if (operands == 1) return find_unary(name, in);
  if (operands == 3) return name == "Where" ? find_where(in) : name == "Affine" ? find_affine(in) : nullptr;
  return find_binary(name, in);
}

ElementLoop ElementLoop::find(std::string_view name, size_t operands, DType in, DType out) {
  return {std::string(name), static_cast<uint8_t>(operands), in, out, find_elementwise(name, operands, in, out)};
}

}  // namespace quadlane::run

namespace quadlane {

void FieldCodec<run::ElementLoop>::write(FieldWriter& w, const run::ElementLoop& loop) {
  w.write(loop.name);
  w.write(loop.operands);
  w.write(loop.in);
  w.write(loop.out);
}

void FieldCodec<run::ElementLoop>::read(FieldReader& r, run::ElementLoop& loop) {
  r.read(loop.name);
  r.read(loop.operands);
  r.read(loop.in);
  r.read(loop.out);
  if (!r.ok()) return;
  if (loop.operands >= 1 && loop.operands <= 3)
    loop.fn = run::find_elementwise(loop.name, loop.operands, loop.in, loop.out);
  if (!loop.fn) r.fail(invalid_model("no loop '", loop.name, "' of ", int{loop.operands}, " ", to_string(loop.in)));
}

}  // namespace quadlane
