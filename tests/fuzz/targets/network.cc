#include "tests/fuzz/targets/network.h"

#include <vector>

#include "engine/base/status.h"

namespace quadlane::fuzz {
namespace {

struct Value {
  int c, h, w, scale;  // scale: of kScales
};
constexpr const char* kScales[] = {"0.02", "0.031", "0.005", "0.11", "1.0"};

class Writer {
 public:
  explicit Writer(Choices& choices) : c_(choices) {}

  std::string write() {
    text_ = "graph \"fuzz\"\n";
    n_ = c_.between(1, 3);
    const Value x{c_.between(1, 9), c_.between(1, 20), c_.between(1, 36), 0};
    line("input %x: f32[", n_, ",", x.c, ",", x.h, ",", x.w, "]");
    for (size_t i = 0; i < std::size(kScales); ++i) line("const %s", i, ": f32[] = {", kScales[i], "}");
    line("%q0 = QuantizeLinear(%x, %s0, ", zero(), ")");
    quantized(x);
    for (int layers = c_.between(1, 5); layers > 0; --layers) layer();
    line("output %q", values_.size() - 1);
    if (values_.size() > 2 && c_.yes()) line("output %q", values_.size() - 2);
    return std::move(text_);
  }

 private:
  template <class... Parts>
  void line(const Parts&... parts) {
    text_ += cat(parts...) + "\n";
  }
  std::string fresh(const char* prefix) { return cat("%", prefix, names_++); }
  std::string zero() {
    std::string name = fresh("z");
    line("const ", name, ": u8[] = {", static_cast<int>(c_.of({uint8_t{0}, uint8_t{128}, uint8_t{255}, uint8_t{7}})),
         "}");
    return name;
  }
  void quantized(Value v) {
    values_.push_back(v);
    zeros_.push_back(text_.substr(text_.rfind("%z"), text_.rfind(')') - text_.rfind("%z")));
  }
  std::string dequantized(size_t of) {
    std::string name = fresh("d");
    line(name, " = DequantizeLinear(%q", of, ", %s", values_[of].scale, ", ", zeros_[of], ")");
    return name;
  }
  // `result` quantized again, with another scale where the operator allows it.
  void quantize(std::string result, Value v, bool same_scale = false, size_t of = 0) {
    if (!same_scale && c_.between(0, 3) == 0) {
      std::string active = fresh("a");
      const char* name = c_.of({"Relu", "Sigmoid", "LeakyRelu", "HardSwish"});
      line(active, " = ", name, "(", result, ")");
      result = active;
    }
    v.scale = same_scale ? values_[of].scale : c_.between(0, std::size(kScales) - 1);
    const std::string z = same_scale ? zeros_[of] : zero();
    line("%q", values_.size(), " = QuantizeLinear(", result, ", %s", v.scale, ", ", z, ")");
    quantized(v);
  }
  std::string weights(int out, int in, int kh, int kw) {
    std::string w = fresh("w"), d = fresh("dw");
    line("const ", w, ": s8[", out, ",", in, ",", kh, ",", kw,
         "] = ", c_.between(0, 9) ? cat("random(", c_.byte(), ")") : "fill(-128)");
    line(d, " = DequantizeLinear(", w, ", %s", c_.between(0, 2), ")");
    return d;
  }

  void layer() {
    const size_t of = values_.size() - 1 -
                      static_cast<size_t>(c_.between(0, static_cast<int>(std::min<size_t>(values_.size() - 1, 2))));
    switch (c_.between(0, 8)) {
      case 0: return pool(of);
      case 1: return combine(of);
      case 2: return resize(of);
      case 3: return transposed(of);
      case 4: return whole(of);
      default: return conv(of);
    }
  }

  void conv(size_t of) {
    const Value& v = values_[of];
    const int kind = c_.between(0, 3), group = kind == 0 ? v.c : kind == 1 && v.c % 2 == 0 ? 2 : 1;
    const int kh = c_.between(1, 5), kw = c_.between(1, 5), sy = c_.between(1, 3), sx = c_.between(1, 3);
    const int dy = c_.between(1, 2), dx = c_.between(1, 2), reach_y = dy * (kh - 1), reach_x = dx * (kw - 1);
    const int top = c_.between(0, reach_y), left = c_.between(0, reach_x), bottom = c_.between(0, reach_y),
              right = c_.between(0, reach_x);
    const int room_y = v.h + top + bottom - reach_y - 1, room_x = v.w + left + right - reach_x - 1;
    if (room_y < 0 || room_x < 0) return;
    const int out = group * (kind == 0 ? c_.between(1, 2) : c_.between(1, 20));
    const std::string x = dequantized(of), w = weights(out, v.c / group, kh, kw), y = fresh("c");
    line(y, " = Conv(", x, ", ", w, ") pads=[", top, ",", left, ",", bottom, ",", right, "] strides=[", sy, ",", sx,
         "] dilations=[", dy, ",", dx, "] group=", group);
    const Value result{out, room_y / sy + 1, room_x / sx + 1, 0};
    std::string sum = y;
    if (result.h == v.h && result.w == v.w && out == v.c && c_.yes()) {
      sum = fresh("c");
      line(sum, " = Add(", dequantized(of), ", ", y, ")");
    }
    quantize(sum, result);
  }

  void transposed(size_t of) {
    const Value& v = values_[of];
    const int k = c_.between(1, 4), stride = c_.between(1, 3), out = c_.between(1, 9);
    if ((v.h - 1) * stride + k > 60 || (v.w - 1) * stride + k > 90) return;
    const std::string x = dequantized(of), w = weights(v.c, out, k, k), y = fresh("c");
    line(y, " = ConvTranspose(", x, ", ", w, ") strides=[", stride, ",", stride, "]");
    quantize(y, {out, (v.h - 1) * stride + k, (v.w - 1) * stride + k, 0});
  }

  void pool(size_t of) {
    const Value& v = values_[of];
    const int k = c_.between(1, 4), stride = c_.between(1, 3), pad = c_.between(0, k - 1);
    if (v.h + 2 * pad < k || v.w + 2 * pad < k) return;
    const bool most = c_.yes();
    const std::string x = dequantized(of), y = fresh("c");
    line(y, most ? " = MaxPool(" : " = AveragePool(", x, ") kernel_shape=[", k, ",", k, "] strides=[", stride, ",",
         stride, "] pads=[", pad, ",", pad, ",", pad, ",", pad, "]",
         most ? "" : cat(" count_include_pad=", c_.between(0, 1)));
    quantize(y, {v.c, (v.h + 2 * pad - k) / stride + 1, (v.w + 2 * pad - k) / stride + 1, 0}, most, of);
  }

  // Two values of one size: a sum, a product, or a concat.
  void combine(size_t of) {
    const Value& v = values_[of];
    const size_t last = values_.size() - 1;
    const Value& u = values_[last];
    if (u.h != v.h || u.w != v.w) return;
    const int how = u.c == v.c ? c_.between(0, 2) : 0;
    const std::string a = dequantized(of), b = dequantized(last), y = fresh("c");
    line(y, how == 0 ? " = Concat(" : how == 1 ? " = Add(" : " = Mul(", a, ", ", b, ")", how == 0 ? " axis=1" : "");
    quantize(y, {how == 0 ? v.c + u.c : v.c, v.h, v.w, 0});
  }

  void resize(size_t of) {
    const Value& v = values_[of];
    if (v.h > 24 || v.w > 40) return;
    const int times = c_.between(2, 3);
    const bool linear = c_.yes();
    const std::string x = dequantized(of), scales = fresh("r"), y = fresh("c");
    line("const ", scales, ": f32[4] = {1,1,", times, ",", times, "}");
    line(y, " = Resize(", x, ", _, ", scales, ") mode=\"", linear ? "linear" : "nearest",
         "\" coordinate_transformation_mode=\"", c_.of({"half_pixel", "asymmetric", "align_corners"}),
         "\" nearest_mode=\"floor\"");
    quantize(y, {v.c, v.h * times, v.w * times, 0}, true, of);
  }

  void whole(size_t of) {
    const std::string x = dequantized(of), y = fresh("c");
    line(y, " = GlobalAveragePool(", x, ")");
    quantize(y, {values_[of].c, 1, 1, 0});
  }

  Choices& c_;
  std::string text_;
  std::vector<Value> values_;
  std::vector<std::string> zeros_;
  int names_ = 0, n_ = 1;
};

}  // namespace

std::string quantized_network(Choices& choices) { return Writer(choices).write(); }

}  // namespace quadlane::fuzz
