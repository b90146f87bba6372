#include "engine/compile/fold_columns.h"

#include <algorithm>

#include "engine/run/conv_step.h"
#include "jit/kernels/quad_gather.h"

namespace quadlane::compile {
namespace {

// A channel of x' reads byte `lane` of plane `plane` of phase `phase`, dx pixels on.
struct Column {
  size_t phase = 0, plane = 0;
  int lane = -1;
  int64_t dx = 0;
};

// [O, C, kh, kw] as [O, C * kw, kh, 1].
Tensor columns_to_channels(const Tensor& w) {
  const Shape& s = w.shape();
  std::vector<int8_t> values(static_cast<size_t>(w.count()));
  for (int64_t o = 0; o < s[0]; ++o)
    for (int64_t c = 0; c < s[1]; ++c)
      for (int64_t i = 0; i < s[2]; ++i)
        for (int64_t j = 0; j < s[3]; ++j)
          values[static_cast<size_t>(((o * s[1] + c) * s[3] + j) * s[2] + i)] =
              w.as<int8_t>()[((o * s[1] + c) * s[2] + i) * s[3] + j];
  return Tensor::from<int8_t>({s[0], s[1] * s[3], s[2], 1}, values);
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0); }

Column find_column(const PlanarValue& x, int64_t c) {
  for (size_t p = 0; p < x.planes.size(); ++p)
    for (size_t lane = 0; lane < 4; ++lane)
      if (x.planes[p].channels[lane] == c) return {0, p, static_cast<int>(lane), 0};
  return {};
}

// The channels of x' for row phase `py`.
std::vector<Column> columns_of(const ConvAttrs& a, int64_t channels, int py, const std::vector<PlanarValue>& phases,
                               const std::vector<ConvSection>& sections) {
  std::vector<Column> columns;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t j = 0; j < a.kernel[1]; ++j) {
      const int64_t x = j * a.dilations[1] - a.pad_begin(1), dx = floor_div(x, a.strides[1]);
      Column column = find_column(phases[0], c);
      column.dx = dx;
      for (size_t s = 0; s < sections.size(); ++s)
        if (sections[s].py == py && sections[s].px == x - dx * a.strides[1]) column.phase = s;
      columns.push_back(column);
    }
  return columns;
}

void emit_gather(Lowering& l, const std::string& name, const std::vector<PlanarValue>& phases,
                 const std::vector<Column>& columns, const PlanarValue& out) {
  run::StepInfo info;
  info.name = name + ".columns";
  info.op = "fold columns";
  info.note = "few channels: the bytes of a quad hold neighbouring pixels";
  l.emit([=, &l](Emitter& e) -> Status {
    const QuadGatherSpec spec{l.isa};
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    std::vector<size_t> bytes;
    for (size_t k = 0; k < out.planes.size(); ++k) {
      std::array<int, 4> lanes{-1, -1, -1, -1};
      for (size_t j = 0; j < 4 && 4 * k + j < columns.size(); ++j) lanes[j] = columns[4 * k + j].lane;
      bytes.push_back(e.constant(gather_bytes(lanes)));
    }
    run::StepInfo step = info;
    step.kernel = describe(spec);
    step.bytes_written = e.pixel_bytes(out);
    std::vector<BufferId> touched = buffers_of({&out});
    for (const PlanarValue& phase : phases) {
      step.bytes_read += e.pixel_bytes(phase);
      for (BufferId id : buffers_of({&phase})) touched.push_back(id);
    }
    const size_t lanes = e.lanes(e.geometry(out));
    e.step(std::move(step), std::move(touched), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::ConvStep>();
      s->src = l.layouts.geometry(phases[0].layout);
      s->dst = l.layouts.geometry(out.layout);
      s->dst_planes = a.planes(out);
      s->dst_pads = a.pads(out);
      s->lanes = lanes;
      s->pv = 1;
      for (size_t k = 0; k < out.planes.size(); ++k) {
        run::ConvStep::Block block{};
        block.weights = bytes[k];
        block.first_src = static_cast<uint32_t>(4 * k);
        block.first_dst = static_cast<uint32_t>(k);
        block.kernels = {a.kernel(kernel)};
        for (size_t j = 0; j < 4; ++j) {
          const Column& column = columns[std::min(4 * k + j, columns.size() - 1)];
          s->src_planes.push_back(a.plane(phases[column.phase].planes[column.plane]) + column.dx * kPixelBytes);
        }
        s->blocks.push_back(std::move(block));
      }
      return s;
    });
    return {};
  });
}

}  // namespace

const Tensor* repeat_channels(const Tensor* values, int64_t times, std::deque<Tensor>& tensors) {
  if (!values) return nullptr;
  Tensor repeated = Tensor::allocate({values->dtype(), {values->count() * times}}).value();
  const size_t bytes = values->type().bytes() / static_cast<size_t>(values->count());
  auto* to = static_cast<std::byte*>(repeated.mutable_data());
  auto* from = static_cast<const std::byte*>(values->data());
  for (int64_t i = 0; i < repeated.count(); ++i)
    std::copy_n(from + static_cast<size_t>(i / times) * bytes, bytes, to + static_cast<size_t>(i) * bytes);
  return &tensors.emplace_back(std::move(repeated));
}

bool worth_folding(const ConvOperands& op, const ConvAttrs& a, size_t planes) {
  if (op.transposed || op.group != 1 || op.w->dtype() != DType::s8 || op.input_scale) return false;
  // Instructions for each pixel register: three for a product of a quad, thirteen to gather one.
  const int64_t rows = a.kernel[0], folded = (op.inputs * a.kernel[1] + 3) / 4;
  const int64_t saved = (static_cast<int64_t>(planes) * a.kernel[1] - folded) * rows * op.outputs * 3;
  return saved > 2 * 13 * folded * std::min(rows, a.strides[0]);
}

FoldedConv fold_columns(Lowering& l, const std::string& name, const ConvOperands& op, const ConvAttrs& a,
                        const Geometry& extents, const std::vector<PlanarValue>& phases,
                        const std::vector<ConvSection>& sections) {
  auto tensors = std::make_shared<std::deque<Tensor>>();
  FoldedConv folded{op, {}, {}, tensors};
  folded.op.inputs = op.inputs * a.kernel[1];
  folded.op.w = &tensors->emplace_back(columns_to_channels(*op.w));
  folded.op.z = repeat_channels(op.z, a.kernel[1], *tensors);
  folded.op.lo = repeat_channels(op.lo, a.kernel[1], *tensors);
  folded.op.hi = repeat_channels(op.hi, a.kernel[1], *tensors);
  const LayoutId source = phases[0].layout;
  const LayoutId layout = l.layouts.add(extents.n, extents.h, extents.w);
  l.layouts.same_pitch(layout, source);
  for (int py = 0; py < a.strides[0]; ++py) {
    ConvSection section{py, 0, {}};
    for (const ConvSection& s : sections)
      for (const ConvTap& tap : s.taps)
        if (s.py == py && section.taps.end() == std::find_if(section.taps.begin(), section.taps.end(),
                                                             [&](const ConvTap& t) { return t.i == tap.i; }))
          section.taps.push_back({tap.i, 0, tap.dy, 0});
    if (section.taps.empty()) continue;
    PlanarValue planes = l.layouts.fresh(DType::u8, layout, folded.op.inputs);
    emit_gather(l, cat(name, ".row", py), phases, columns_of(a, op.inputs, py, phases, sections), planes);
    folded.phases.push_back(std::move(planes));
    folded.sections.push_back(std::move(section));
  }
  return folded;
}

}  // namespace quadlane::compile
