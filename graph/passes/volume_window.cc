#include "graph/passes/volume_window.h"

#include <algorithm>

namespace quadlane {
namespace {

// Every output slice of every layer becomes nodes of its own.
constexpr int64_t kMaxDepth = 1024;

// A list of 1 or 3 entries as one of three.
std::vector<int64_t> three(std::vector<int64_t> list, int64_t fill) {
  if (list.size() == 1) list.insert(list.begin(), 2, fill);
  return list;
}

}  // namespace

std::optional<VolumeWindow> VolumeWindow::of(const Graph& g, const Node& node) {
  const Shape &x = g[node.input(0)].type.shape, &y = g[node.output()].type.shape;
  const std::string implicit = node.attrs.string_or("auto_pad", "NOTSET");
  if ((implicit != "NOTSET" && implicit != "") || node.attrs.has("output_shape")) return {};
  if (x.size() != y.size() || (y.size() == 5 && std::max(x[2], y[2]) > kMaxDepth)) return {};
  const size_t axes = x.size() - 2;
  std::vector<int64_t> kernel = node.attrs.ints_or("kernel_shape", {});
  if (kernel.empty() && node.input(1) != kNoValue) {
    const Shape& weights = g[node.input(1)].type.shape;
    if (weights.size() == x.size()) kernel.assign(weights.begin() + 2, weights.end());
  }
  const std::vector<int64_t> ones(axes, 1), zeros(axes, 0);
  std::vector<int64_t> pads = node.attrs.ints_or("pads", std::vector<int64_t>(2 * axes, 0));
  if (pads.size() != 2 * axes || *std::min_element(pads.begin(), pads.end()) < 0) return {};
  VolumeWindow w;
  w.kernel = three(std::move(kernel), 1);
  w.strides = three(node.attrs.ints_or("strides", ones), 1);
  w.dilations = three(node.attrs.ints_or("dilations", ones), 1);
  w.output_padding = three(node.attrs.ints_or("output_padding", zeros), 0);
  w.pads = three({pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(axes)}, 0);
  const std::vector<int64_t> ends = three({pads.begin() + static_cast<std::ptrdiff_t>(axes), pads.end()}, 0);
  w.pads.insert(w.pads.end(), ends.begin(), ends.end());
  w.group = node.attrs.int_or("group", 1);
  for (const auto* list : {&w.kernel, &w.strides, &w.dilations, &w.output_padding})
    if (list->size() != 3) return {};
  return w;
}

std::vector<DepthTap> VolumeWindow::taps(int64_t od, int64_t depth) const {
  std::vector<DepthTap> taps;
  for (int64_t j = 0; j < kernel[0]; ++j)
    if (const int64_t i = od * strides[0] - pads[0] + j * dilations[0]; i >= 0 && i < depth) taps.push_back({j, i});
  return taps;
}

std::vector<DepthTap> VolumeWindow::transposed_taps(int64_t od, int64_t depth) const {
  std::vector<DepthTap> taps;
  for (int64_t j = kernel[0]; j-- > 0;) {  // depths ascend
    const int64_t reached = od + pads[0] - j * dilations[0];
    if (reached >= 0 && reached % strides[0] == 0 && reached / strides[0] < depth)
      taps.push_back({j, reached / strides[0]});
  }
  return taps;
}

Attrs VolumeWindow::image_attrs(const Node& node) const {
  Attrs attrs = node.attrs;
  auto last_two = [](const std::vector<int64_t>& list) { return std::vector<int64_t>{list[1], list[2]}; };
  attrs.set("kernel_shape", last_two(kernel));
  attrs.set("strides", last_two(strides));
  if (node.attrs.has("dilations")) attrs.set("dilations", last_two(dilations));
  attrs.set("pads", std::vector<int64_t>{pads[1], pads[2], pads[4], pads[5]});
  if (node.attrs.has("output_padding")) attrs.set("output_padding", last_two(output_padding));
  return attrs;
}

}  // namespace quadlane
