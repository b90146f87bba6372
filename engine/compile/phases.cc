#include "engine/compile/phases.h"

#include <map>
#include <optional>

#include "engine/run/row_steps.h"
#include "jit/kernels/phases.h"

namespace quadlane::compile {
namespace {

// Rows py, py + sh, ... of the source as byte offsets; kNoRow where the phase has more rows than the source.
std::vector<int64_t> source_rows(const Geometry& src, int64_t rows, int64_t sh, int64_t py) {
  std::vector<int64_t> offsets;
  for (int64_t y = 0; y < rows; ++y)
    offsets.push_back(y * sh + py < src.h ? (y * sh + py) * src.pitch * kPixelBytes : kNoRow);
  return offsets;
}

}  // namespace

std::vector<PlanarValue> split_phases(Lowering& l, const std::string& name, const PlanarValue& x, const Shape&,
                                      const std::vector<int64_t>& strides, const std::vector<ConvSection>& sections,
                                      LayoutId layout) {
  const uint32_t planes = static_cast<uint32_t>(x.planes.size());
  BufferId buffer = l.layouts.add_buffer(x.dtype, layout, planes * sections.size());
  std::vector<PlanarValue> phases;
  for (uint32_t s = 0; s < sections.size(); ++s) {
    PlanarValue phase{x.dtype, layout, x.planes};
    for (uint32_t i = 0; i < planes; ++i) phase.planes[i] = {buffer, s * planes + i, x.planes[i].channels};
    phases.push_back(std::move(phase));
  }
  // The planes of one value have one producer: all are padded like the first, or the consumer asked for no padding.
  std::optional<RunTimePadding> padding;
  if (const RunTimePadding* found = l.layouts.run_time_padding(x.planes[0].buffer)) padding = *found;
  if (padding) l.layouts.pad_at_run_time(buffer, *padding);
  std::map<int, std::vector<size_t>> by_row;  // row phase -> sections, column phases ascending
  for (size_t s = 0; s < sections.size(); ++s) by_row[sections[s].py].push_back(s);
  run::StepInfo info;
  info.name = name + ".phases";
  info.op = "split phases";
  info.note = cat("with a stride of ", strides[0], "x", strides[1], " a tap reads one pixel of ",
                  strides[0] * strides[1], ": phases make it stride 1");
  l.emit([=, &l](Emitter& e) -> Status {
    const Geometry &src = e.geometry(x), &dst = l.layouts.geometry(layout);
    struct Row {
      KernelId kernel;
      size_t rows;
      std::vector<size_t> sections;
    };
    std::vector<Row> rows;
    run::StepInfo step = info;
    for (const auto& [py, members] : by_row) {
      PhaseSplitSpec spec{l.isa, static_cast<int>(strides[1]), 0, src.w, {dst.w, dst.gap}};
      for (size_t s : members) spec.wanted |= 1u << sections[s].px;
      QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
      rows.push_back({kernel, e.constant(source_rows(src, dst.h, strides[0], py)), members});
      step.kernel = describe(spec);
    }
    step.bytes_read = e.pixel_bytes(x);
    for (const PlanarValue& phase : phases) step.bytes_written += e.pixel_bytes(phase);
    std::vector<BufferId> touched = buffers_of({&x, &phases[0]});
    if (padding) touched.push_back(padding->words);
    e.step(std::move(step), touched, [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::PhaseSplitStep>();
      if (padding) s->run_time_pads = a.dense({Place::arena, {}, static_cast<size_t>(padding->words)});
      s->src = l.layouts.geometry(x.layout);
      s->src_planes = a.planes(x);
      s->dst.geometry = l.layouts.geometry(layout);
      for (const PlanarValue& phase : phases) {
        std::vector<int64_t> offsets = a.planes(phase);
        std::vector<uint32_t> pads = a.pads(phase);
        s->dst.planes.insert(s->dst.planes.end(), offsets.begin(), offsets.end());
        s->dst.pads.insert(s->dst.pads.end(), pads.begin(), pads.end());
      }
      s->pads = a.pads(phases[0]);
      for (const Row& row : rows) {
        run::PhaseSplitStep::RowPhase phase{a.kernel(row.kernel), row.rows, {}};
        for (uint32_t i = 0; i < planes; ++i)
          for (size_t section : row.sections) phase.planes.push_back(a.plane(phases[section].planes[i]));
        s->phases.push_back(std::move(phase));
      }
      return s;
    });
    return {};
  });
  return phases;
}

void emit_interleave(Lowering& l, const Node& node, const std::vector<PlanarValue>& results, const PlanarValue& out,
                     int64_t sh, int64_t sw) {
  run::StepInfo info = make_info(node);
  info.name += ".interleave";
  info.op = "interleave phases";
  info.note =
      node.op == "DepthToSpace" ? "channels become pixels" : "the phases of a transposed convolution become one image";
  l.emit([=, &l](Emitter& e) -> Status {
    const Geometry& dst = e.geometry(out);
    PhaseInterleaveSpec spec{l.isa, static_cast<int>(sw), {dst.w, dst.gap}};
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    run::StepInfo step = info;
    step.kernel = describe(spec);
    std::vector<BufferId> touched = buffers_of({&out});
    for (const PlanarValue& r : results) {
      step.bytes_read += e.pixel_bytes(r);
      for (BufferId id : buffers_of({&r})) touched.push_back(id);
    }
    step.bytes_written = e.pixel_bytes(out);
    e.step(std::move(step), touched, [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::PhaseInterleaveStep>();
      s->src = l.layouts.geometry(results[0].layout);
      s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
      s->kernel = a.kernel(kernel);
      for (int64_t ry = 0; ry < sh; ++ry) {
        std::vector<int64_t> planes;
        for (size_t p = 0; p < out.planes.size(); ++p)
          for (int64_t rx = 0; rx < sw; ++rx)
            planes.push_back(a.plane(results[static_cast<size_t>(ry * sw + rx)].planes[p]));
        s->src_planes.push_back(std::move(planes));
      }
      return s;
    });
    return {};
  });
}

}  // namespace quadlane::compile
