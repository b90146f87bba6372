// Operators that only move elements of dense tensors: each becomes one step of strided copies.
#include "engine/compile/dense.h"
#include "engine/run/dense/copy.h"
#include "ops/shape_inputs.h"
#include "ops/strided.h"
#include "ops/takes.h"

namespace quadlane::compile {
namespace {

using run::CopyAxis;
using run::StridedCopy;

// A box of the destination and where it comes from.
struct Copy {
  DenseRef from, to;
  std::vector<CopyAxis> axes;
  int64_t src_offset = 0, dst_offset = 0;

  // Bytes of the box along the axes on which its elements differ.
  int64_t bytes(int64_t CopyAxis::*step) const {
    auto product = static_cast<int64_t>(size_of(to.type.dtype));
    for (const CopyAxis& axis : axes) product *= axis.*step != 0 ? axis.extent : std::min<int64_t>(axis.extent, 1);
    return product;
  }
};

Verdict emit_copies(Lowering& l, const Node& node, const std::vector<Copy>& copies, std::string note) {
  std::vector<DenseRef> touched;
  std::vector<StridedCopy> planned;
  run::StepInfo info = make_info(node);
  std::vector<std::string> kinds;
  for (const Copy& copy : copies) {
    planned.emplace_back(size_of(copy.to.type.dtype), copy.axes, copy.src_offset, copy.dst_offset);
    kinds.push_back(planned.back().kind());
    touched.insert(touched.end(), {copy.from, copy.to});
    info.bytes_read += copy.bytes(&CopyAxis::src);
    info.bytes_written += copy.bytes(&CopyAxis::dst);
  }
  std::sort(kinds.begin(), kinds.end());
  kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
  info.kernel = "copy";
  info.note = std::move(note);
  for (const std::string& kind : kinds) info.kernel += " " + kind;
  emit_touching(l, std::move(info), touched, [=](const Addresses& a) {
    std::vector<run::CopiesStep::Job> jobs;
    for (size_t i = 0; i < copies.size(); ++i)
      jobs.push_back({a.dense(copies[i].from), a.dense(copies[i].to), planned[i]});
    return std::make_unique<run::CopiesStep>(std::move(jobs));
  });
  return {};
}

// For an operator that on planes would be another list of them, or a table of rows.
Verdict emit_copies(Lowering& l, const Node& node, const std::vector<Copy>& copies) {
  return emit_copies(l, node, copies, why_copied(l));
}

std::vector<int64_t> input_steps(const Lowering& l, const Node& node) { return dense_strides(l.shape(node.input(0))); }

// One dense output from a strided view of input 0.
Result<Verdict> copy_view(Lowering& l, const Node& node, const StridedView& view) {
  QL_TRY(DenseRef from, l.dense(node.input(0)));
  Copy copy{from, l.define_dense(node.output()), {}, view.offset, 0};
  const std::vector<int64_t> to = dense_strides(view.extents);
  for (size_t i = 0; i < to.size(); ++i) copy.axes.push_back({view.extents[i], view.strides[i], to[i]});
  return emit_copies(l, node, {copy});
}

// Axes `perm` of the input seen under the shape `split` of the same elements.
Result<Verdict> copy_permuted(Lowering& l, const Node& node, const Shape& split, const std::vector<size_t>& perm) {
  const std::vector<int64_t> steps = dense_strides(split);
  StridedView view;
  for (size_t axis : perm) {
    view.extents.push_back(split[axis]);
    view.strides.push_back(steps[axis]);
  }
  return copy_view(l, node, view);
}

}  // namespace

Result<Verdict> lower_transpose(Lowering& l, const Node& node) {
  const Shape& in = l.shape(node.input(0));
  std::vector<int64_t> reversed(in.size());
  for (size_t i = 0; i < in.size(); ++i) reversed[i] = static_cast<int64_t>(in.size() - 1 - i);
  QL_TRY(auto perm, normalize_axes(node.attrs.ints_or("perm", reversed), in.size()));
  return copy_permuted(l, node, in, perm);
}

void emit_transposed(Lowering& l, const Node& node, const DenseRef& from, const DenseRef& to, std::string note) {
  const Shape& shape = from.type.shape;
  const int64_t rows = shape[shape.size() - 2], columns = shape.back(), matrix = rows * columns;
  Copy copy{from, to, {{columns, 1, rows}, {rows, columns, 1}}};
  if (shape.size() == 3) copy.axes.insert(copy.axes.begin(), {shape[0], matrix, matrix});
  emit_copies(l, node, {copy}, std::move(note));
}

DenseRef transposed_copy(Lowering& l, const Node& node, const DenseRef& from, std::string note) {
  DenseRef to = scratch(l, from.type.bytes());
  to.type = from.type;
  std::swap(to.type.shape.back(), to.type.shape[to.type.shape.size() - 2]);
  emit_transposed(l, node, from, to, std::move(note));
  return to;
}

Result<Verdict> lower_dense_depth_to_space(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  const int64_t b = node.attrs.int_or("blocksize", 1);
  if (node.op == "SpaceToDepth")
    return copy_permuted(l, node, {in[0], in[1], out[2], b, out[3], b}, {0, 3, 5, 1, 2, 4});
  if (node.attrs.string_or("mode", "DCR") == "CRD")
    return copy_permuted(l, node, {in[0], out[1], b, b, in[2], in[3]}, {0, 1, 4, 2, 5, 3});
  return copy_permuted(l, node, {in[0], b, b, out[1], in[2], in[3]}, {0, 3, 4, 1, 5, 2});
}

Result<Verdict> lower_dense_slice(Lowering& l, const Node& node) {
  KnownNode known(l, node);
  auto ranges = slice_ranges(known.ctx);
  if (!ranges.ok()) return declined(ranges.error().message);
  const std::vector<int64_t> steps = input_steps(l, node);
  StridedView view;
  for (size_t i = 0; i < ranges->size(); ++i) {
    const AxisRange& range = (*ranges)[i];
    view.offset += range.start * steps[i];
    view.extents.push_back(range.count);
    view.strides.push_back(range.step * steps[i]);
  }
  return copy_view(l, node, view);
}

Result<Verdict> lower_dense_split(Lowering& l, const Node& node) {
  const Shape& in = l.shape(node.input(0));
  KnownNode known(l, node);
  QL_TRY(size_t axis, axis_attr(known.ctx, 0, in.size()));
  QL_TRY(DenseRef from, l.dense(node.input(0)));
  const std::vector<int64_t> steps = dense_strides(in);
  std::vector<Copy> copies;
  int64_t offset = 0;
  for (ValueId id : node.outputs) {
    const Shape& part = l.shape(id);
    Copy copy{from, l.define_dense(id), {}, offset, 0};
    const std::vector<int64_t> to = dense_strides(part);
    for (size_t i = 0; i < part.size(); ++i) copy.axes.push_back({part[i], steps[i], to[i]});
    offset += part[axis] * steps[axis];
    copies.push_back(std::move(copy));
  }
  return emit_copies(l, node, copies);
}

Result<Verdict> lower_dense_concat(Lowering& l, const Node& node) {
  const Shape& out = l.shape(node.output());
  KnownNode known(l, node);
  QL_TRY(size_t axis, axis_attr(known.ctx, 0, out.size()));
  std::vector<DenseRef> parts;
  for (ValueId id : node.inputs) {
    QL_TRY(DenseRef part, l.dense(id));
    parts.push_back(std::move(part));
  }
  const DenseRef to = l.define_dense(node.output());
  const std::vector<int64_t> steps = dense_strides(out);
  std::vector<Copy> copies;
  int64_t offset = 0;
  for (const DenseRef& part : parts) {
    const Shape& shape = part.type.shape;
    const std::vector<int64_t> from = dense_strides(shape);
    Copy copy{part, to, {}, 0, offset};
    for (size_t i = 0; i < shape.size(); ++i) copy.axes.push_back({shape[i], from[i], steps[i]});
    offset += shape[axis] * steps[axis];
    copies.push_back(std::move(copy));
  }
  return emit_copies(l, node, copies);
}

Result<Verdict> lower_expand(Lowering& l, const Node& node) {
  return copy_view(l, node, broadcast_view(l.shape(node.input(0)), l.shape(node.output())));
}

// Every axis twice: first the repeats, which stand still, then the elements.
Result<Verdict> lower_tile(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  const std::vector<int64_t> steps = dense_strides(in);
  StridedView view;
  for (size_t i = 0; i < in.size(); ++i) {
    view.extents.insert(view.extents.end(), {in[i] ? out[i] / in[i] : 0, in[i]});
    view.strides.insert(view.strides.end(), {0, steps[i]});
  }
  return copy_view(l, node, view);
}

namespace {

constexpr size_t kMostBoxes = 4096;

// A stretch of an axis of the result whose source walks by a constant step.
struct Stretch {
  int64_t at, count, source, step;
  bool constant;  // Pad's constant instead
};

std::vector<Stretch> stretches(const AxisTable& table) {
  std::vector<Stretch> result;
  for (int64_t i = 0; i < static_cast<int64_t>(table.size()); ++i) {
    const int64_t source = table[static_cast<size_t>(i)];
    if (!result.empty()) {
      Stretch& last = result.back();
      const int64_t before = last.source + last.step * (last.count - 1);
      const bool continues =
          last.constant == (source < 0) && (last.constant || last.count == 1 || source - before == last.step);
      if (continues) {
        if (last.count == 1 && !last.constant) last.step = source - before;
        ++last.count;
        continue;
      }
    }
    result.push_back({i, 1, std::max<int64_t>(source, 0), 0, source < 0});
  }
  return result;
}

}  // namespace

// The result falls into boxes: one stretch of each axis.
Result<Verdict> lower_dense_pad(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  KnownNode known(l, node);
  auto tables = pad_tables(known.ctx, out);
  if (!tables.ok()) return declined(tables.error().message);
  std::vector<std::vector<Stretch>> axes;
  size_t boxes = 1;
  for (const AxisTable& table : *tables) {
    axes.push_back(stretches(table));
    boxes *= axes.back().size();
    if (boxes > kMostBoxes) return declined(cat("more than ", kMostBoxes, " boxes of regular steps"));
  }
  QL_TRY(DenseRef x, l.dense(node.input(0)));
  DenseRef fill{Place::constant, {x.type.dtype, {}}, 0};
  if (node.input(2) != kNoValue) {
    QL_TRY(fill, l.dense(node.input(2)));
  } else {
    fill = l.constant(*Tensor::allocate({x.type.dtype, {}}));
  }
  const DenseRef y = l.define_dense(node.output());
  const std::vector<int64_t> from = dense_strides(in), to = dense_strides(out);
  std::vector<Copy> copies;
  for (size_t box = 0; box < boxes; ++box) {
    Copy copy{x, y, {}, 0, 0};
    bool constant = false;
    for (size_t a = axes.size(), rest = box; a-- > 0; rest /= axes[a].size()) {
      const Stretch& s = axes[a][rest % axes[a].size()];
      copy.axes.push_back({s.count, s.step * from[a], to[a]});
      copy.src_offset += s.source * from[a], copy.dst_offset += s.at * to[a];
      constant |= s.constant;
    }
    if (constant) {
      copy.from = fill, copy.src_offset = 0;
      for (CopyAxis& axis : copy.axes) axis.src = 0;
    }
    copies.push_back(std::move(copy));
  }
  return emit_copies(l, node, copies);
}

}  // namespace quadlane::compile
