#include "ops/conv_attrs.h"

#include "ops/window_list.h"

namespace quadlane {

namespace {

Status check_image(const Shape& x) {
  if (x.size() < 3 || x.size() > 5) return unsupported("input has rank ", x.size(), ", expected 3 to 5");
  for (int64_t extent : x)
    if (extent > kWindowLimit) return unsupported("input extent ", extent, " exceeds ", kWindowLimit);
  return {};
}

// Everything but `out`; pads are explicit ones, or zero when auto_pad stands for them.
Status read_window(const Node& node, std::vector<int64_t> kernel, WindowAttrs& a) {
  size_t n = kernel.size();
  a.kernel = std::move(kernel);
  QL_TRY(a.strides, ints_attr(node.attrs, "strides", std::vector<int64_t>(n, 1)));
  QL_TRY(a.dilations, ints_attr(node.attrs, "dilations", std::vector<int64_t>(n, 1)));
  QL_TRY(a.pads, ints_attr(node.attrs, "pads", std::vector<int64_t>(2 * n, 0)));
  QL_CHECK_OK(check_window_list("kernel", a.kernel, n, 1));
  QL_CHECK_OK(check_window_list("strides", a.strides, n, 1));
  QL_CHECK_OK(check_window_list("dilations", a.dilations, n, 1));
  QL_CHECK_OK(check_window_list("pads", a.pads, 2 * n, 0));
  return {};
}

enum class AutoPad { explicit_pads, valid, same_upper, same_lower };

Result<AutoPad> read_auto_pad(const Node& node) {
  QL_TRY(std::string mode, string_attr(node.attrs, "auto_pad", "NOTSET"));
  if (mode.empty() || mode == "NOTSET") return AutoPad::explicit_pads;
  if (mode == "VALID") return AutoPad::valid;
  if (mode == "SAME_UPPER") return AutoPad::same_upper;
  if (mode == "SAME_LOWER") return AutoPad::same_lower;
  return invalid_model("auto_pad is '", mode, "', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
}

// `odd_at_end`: the odd pixel of an odd total goes behind the image.
void split_pad(WindowAttrs& a, size_t axis, int64_t total, bool odd_at_end) {
  int64_t small = total / 2, large = total - small;
  a.pads[axis] = odd_at_end ? small : large;
  a.pads[a.axes() + axis] = odd_at_end ? large : small;
}

// Fills pads and out for a kernel that slides over x.
Status slide(const Node& node, const Shape& x, bool ceil_mode, WindowAttrs& a) {
  QL_TRY(AutoPad mode, read_auto_pad(node));
  if (mode != AutoPad::explicit_pads) a.pads.assign(2 * a.axes(), 0);
  for (size_t i = 0; i < a.axes(); ++i) {
    int64_t in = x[i + 2], stride = a.strides[i];
    if (mode == AutoPad::same_upper || mode == AutoPad::same_lower) {
      int64_t out = (in + stride - 1) / stride;
      split_pad(a, i, std::max<int64_t>(0, (out - 1) * stride + a.reach(i) - in), mode == AutoPad::same_upper);
    }
    QL_TRY(int64_t out,
           output_extent(in, a.kernel[i], stride, a.dilations[i], a.pad_begin(i), a.pad_end(i), ceil_mode));
    a.out.push_back(out);
  }
  return {};
}

// Weights [first, second, kernel...] against the node's kernel_shape and group, and the input's rank.
Status read_conv(const Node& node, const Shape& x, const Shape& w, ConvAttrs& a) {
  QL_CHECK_OK(check_image(x));
  if (w.size() != x.size()) return invalid_model("weights have rank ", w.size(), ", the input has ", x.size());
  std::vector<int64_t> kernel(w.begin() + 2, w.end());
  QL_TRY(auto declared, ints_attr(node.attrs, "kernel_shape", kernel));
  if (declared != kernel)
    return invalid_model("kernel_shape is ", to_string(declared), ", the weights have ", to_string(kernel));
  QL_CHECK_OK(read_window(node, std::move(kernel), a));
  QL_TRY(a.group, int_attr_in(node.attrs, "group", 1, 1, kWindowLimit));
  return {};
}

// Tables of kernel * out entries describe a convolution's taps (conv_core.h).
Status check_taps(const ConvAttrs& a) {
  constexpr int64_t kMaxTaps = int64_t{1} << 28;
  for (size_t i = 0; i < a.axes(); ++i)
    if (a.out[i] > kMaxTaps / a.kernel[i])
      return unsupported("kernel ", a.kernel[i], " over an output extent of ", a.out[i], " exceeds ", kMaxTaps,
                         " taps");
  return {};
}

}  // namespace

Result<int64_t> output_extent(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad_begin,
                              int64_t pad_end, bool ceil_mode) {
  int64_t reach = 0, padded = 0;
  if (__builtin_mul_overflow(dilation, kernel - 1, &reach) || __builtin_add_overflow(reach, 1, &reach) ||
      __builtin_add_overflow(in, pad_begin, &padded) || __builtin_add_overflow(padded, pad_end, &padded))
    return invalid_model("kernel ", kernel, " with dilation ", dilation, " and pads ", pad_begin, ", ", pad_end,
                         " overflows");
  if (stride < 1) return invalid_model("stride is ", stride, ", expected at least 1");
  if (reach > padded)
    return invalid_model("kernel ", kernel, " with dilation ", dilation, " reaches over ", reach,
                         " pixels, the padded input has ", padded);
  int64_t room = padded - reach, out = room / stride + 1;
  if (ceil_mode && room % stride != 0) ++out;
  if (ceil_mode && out > 1 && (out - 1) * stride >= in + pad_begin) --out;
  return out;
}

Result<ConvAttrs> conv_attrs(const Node& node, const Shape& x, const Shape& w) {
  ConvAttrs a;
  QL_CHECK_OK(read_conv(node, x, w, a));
  if (x[1] % a.group != 0 || x[1] / a.group != w[1])
    return invalid_model("weights have ", w[1], " input channels a group, the input has ", x[1], " in ", a.group,
                         " groups");
  if (w[0] % a.group != 0) return invalid_model("weights have ", w[0], " output channels for ", a.group, " groups");
  QL_CHECK_OK(slide(node, x, false, a));
  QL_CHECK_OK(check_taps(a));
  return a;
}

Result<ConvAttrs> conv_transpose_attrs(const Node& node, const Shape& x, const Shape& w) {
  ConvAttrs a;
  QL_CHECK_OK(read_conv(node, x, w, a));
  if (w[0] != x[1]) return invalid_model("weights have ", w[0], " input channels, the input has ", x[1]);
  if (x[1] % a.group != 0) return invalid_model("the input has ", x[1], " channels for ", a.group, " groups");
  size_t n = a.axes();
  QL_TRY(a.output_padding, ints_attr(node.attrs, "output_padding", std::vector<int64_t>(n, 0)));
  QL_CHECK_OK(check_window_list("output_padding", a.output_padding, n, 0));
  QL_TRY(auto wanted, ints_attr(node.attrs, "output_shape", {}));
  if (wanted.size() == n + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);  // some exporters write N and C too
  if (!wanted.empty()) QL_CHECK_OK(check_window_list("output_shape", wanted, n, 1));
  QL_TRY(AutoPad mode, read_auto_pad(node));
  bool same = mode == AutoPad::same_upper || mode == AutoPad::same_lower;
  if (mode == AutoPad::valid) a.pads.assign(2 * n, 0);
  for (size_t i = 0; i < n; ++i) {
    int64_t in = x[i + 2];
    if (in < 1) return invalid_model("input extent is ", in, ", expected at least 1");
    int64_t full = (in - 1) * a.strides[i] + a.output_padding[i] + a.reach(i);
    if (!wanted.empty() || same) {
      int64_t total = full - (wanted.empty() ? in * a.strides[i] : wanted[i]);
      a.output_padding[i] += std::max<int64_t>(0, -total);
      full += std::max<int64_t>(0, -total);
      split_pad(a, i, std::max<int64_t>(0, total), mode == AutoPad::same_upper);
    }
    int64_t out = full - a.pad_begin(i) - a.pad_end(i);
    if (out < 1)
      return invalid_model("pads ", a.pad_begin(i), ", ", a.pad_end(i), " leave nothing of an output extent of ", full);
    a.out.push_back(out);
  }
  QL_CHECK_OK(check_taps(a));
  return a;
}

Result<PoolAttrs> pool_attrs(const Node& node, const Shape& x) {
  PoolAttrs a;
  QL_CHECK_OK(check_image(x));
  QL_TRY(auto kernel, ints_attr(node.attrs, "kernel_shape", {}));
  if (kernel.size() != x.size() - 2)
    return invalid_model("kernel_shape has ", kernel.size(), " entries, the input has ", x.size() - 2, " spatial axes");
  QL_CHECK_OK(read_window(node, std::move(kernel), a));
  QL_TRY(a.ceil_mode, bool_attr(node.attrs, "ceil_mode", false));
  QL_TRY(a.count_include_pad, bool_attr(node.attrs, "count_include_pad", false));
  QL_CHECK_OK(slide(node, x, a.ceil_mode, a));
  for (size_t i = 0; i < a.axes(); ++i)
    for (int64_t pad : {a.pad_begin(i), a.pad_end(i)})
      if (pad >= a.reach(i))
        return unsupported("pad ", pad, " is not below the ", a.reach(i), " pixels the kernel reaches over");
  return a;
}

Shape window_output_shape(const WindowAttrs& a, int64_t n, int64_t channels) {
  Shape shape = {n, channels};
  shape.insert(shape.end(), a.out.begin(), a.out.end());
  return shape;
}

}  // namespace quadlane
