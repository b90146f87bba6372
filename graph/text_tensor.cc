#include "graph/text_tensor.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace quadlane {
namespace {

template <class T>
std::string chars_of(T value) {
  char buffer[32];
  auto [end, failure] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end};
}

template <class T>
Result<T> from_text(std::string_view text, const char* what) {
  T value{};
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure == std::errc::result_out_of_range) return invalid_argument("'", text, "' is out of the range of ", what);
  if (failure != std::errc() || end != text.data() + text.size())
    return invalid_argument("expected a value of type ", what, ", found '", text, "'");
  return value;
}

// Calls f with a pointer to the elements; bool and the integers of a size share one type where only bits matter.
template <class Bytes, class F>
auto visit_elements(DType dtype, Bytes* data, F f) {
  auto as = [&]<class T>(T) {
    using Element = std::conditional_t<std::is_const_v<Bytes>, const T, T>;
    return f(static_cast<Element*>(data));
  };
  switch (dtype) {
    case DType::f32: return as(float{});
    case DType::f64: return as(double{});
    case DType::f16: return as(Half{});
    case DType::u8: return as(uint8_t{});
    case DType::s8: return as(int8_t{});
    case DType::u16: return as(uint16_t{});
    case DType::s16: return as(int16_t{});
    case DType::s32: return as(int32_t{});
    case DType::u32: return as(uint32_t{});
    case DType::s64: return as(int64_t{});
    case DType::u64: return as(uint64_t{});
    case DType::boolean: break;
  }
  return as(bool{});
}

bool has_nan(const Tensor& tensor) {
  if (!is_float(tensor.dtype())) return false;
  for (int64_t i = 0; i < tensor.count(); ++i)
    if (std::isnan(element_as_double(tensor.view(), i))) return true;
  return false;
}

bool all_zero_bits(const Tensor& tensor) {
  const auto* bytes = tensor.as<unsigned char>();
  for (size_t i = 0; i < tensor.type().bytes(); ++i)
    if (bytes[i]) return false;
  return true;
}

uint64_t fnv1a(const unsigned char* bytes, size_t n) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < n; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

std::string hex(uint64_t value, size_t digits) {
  std::string s(digits, '0');
  for (size_t i = digits; i-- > 0; value >>= 4) s[i] = "0123456789abcdef"[value & 15];
  return s;
}

std::string hex_elements(const Tensor& tensor) {
  std::string s = "0x";
  size_t bytes = size_of(tensor.dtype());
  for (int64_t i = 0; i < tensor.count(); ++i) {
    uint64_t bits = 0;  // little endian, as this engine's only target
    std::memcpy(&bits, tensor.as<char>() + static_cast<size_t>(i) * bytes, bytes);
    s += hex(bits, bytes * 2);
  }
  return s;
}

template <class T>
std::string element_text(T value) {
  if constexpr (std::is_same_v<T, Half>)
    return chars_of(half_to_float(value));
  else if constexpr (std::is_same_v<T, bool>)
    return value ? "1" : "0";
  else
    return chars_of(value);
}

template <class T>
Status parse_element(std::string_view text, T& element) {
  if constexpr (std::is_same_v<T, Half>) {
    QL_TRY(float value, from_text<float>(text, "f16"));
    element = float_to_half(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text != "0" && text != "1" && text != "true" && text != "false")
      return invalid_argument("expected a value of type bool, found '", text, "'");
    element = text == "1" || text == "true";
  } else {
    QL_TRY(element, from_text<T>(text, to_string(dtype_of<T>())));
  }
  return {};
}

template <class T>
T from_count(int64_t i) {
  if constexpr (std::is_same_v<T, Half>)
    return float_to_half(static_cast<float>(i));
  else if constexpr (std::is_same_v<T, bool>)
    return i % 2 != 0;
  else
    return static_cast<T>(i);
}

// splitmix64: the same numbers everywhere.
template <class T>
T from_random(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  double unit = static_cast<double>(z >> 40) * 0x1p-23 - 1.0;  // 24 bits: exact in f32
  if constexpr (std::is_same_v<T, Half>)
    return float_to_half(static_cast<float>(unit));
  else if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(unit);
  else if constexpr (std::is_same_v<T, bool>)
    return z >> 63 != 0;
  else if constexpr (std::is_signed_v<T>)
    return static_cast<T>(static_cast<int8_t>(z >> 56));
  else
    return static_cast<T>(z >> 56);
}

Status parse_hex(std::string_view digits, Tensor& tensor) {
  size_t bytes = size_of(tensor.dtype());
  size_t expected = tensor.type().bytes() * 2;
  if (digits.size() != expected)
    return invalid_argument("found ", digits.size(), " hexadecimal digits, ", to_string(tensor.type()), " has ",
                            expected);
  auto* data = static_cast<char*>(tensor.mutable_data());
  for (size_t i = 0; i * bytes * 2 < expected; ++i) {
    std::string_view text = digits.substr(i * bytes * 2, bytes * 2);
    uint64_t bits = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
    if (failure != std::errc() || end != text.data() + text.size())
      return invalid_argument("'", text, "' is not hexadecimal");
    if (tensor.dtype() == DType::boolean && bits > 1) return invalid_argument("0x", text, " is not a bool");
    std::memcpy(data + i * bytes, &bits, bytes);
  }
  return {};
}

template <class T>
Status parse_list(TextCursor& cursor, const TensorType& type, T* data) {
  int64_t count = type.count(), found = 0;
  QL_CHECK_OK(cursor.expect('{'));
  if (!cursor.peek('}')) {
    do {
      QL_TRY(std::string text, cursor.number());
      if (found == count) return invalid_argument("found more than the ", count, " elements of ", to_string(type));
      QL_CHECK_OK(parse_element(text, data[found++]));
    } while (cursor.eat(','));
  }
  QL_CHECK_OK(cursor.expect('}'));
  if (found != count) return invalid_argument("found ", found, " elements, ", to_string(type), " has ", count);
  return {};
}

}  // namespace

std::string elements_text(const Tensor& tensor, int64_t max_elements) {
  if (tensor.count() > 1 && all_zero_bits(tensor)) return "zeros";
  if (tensor.count() > max_elements)
    return cat("hash(", hex(fnv1a(tensor.as<unsigned char>(), tensor.type().bytes()), 16), ")");
  if (has_nan(tensor)) return hex_elements(tensor);
  return visit_elements(tensor.dtype(), tensor.data(), [&](const auto* data) {
    std::string s = "{";
    for (int64_t i = 0; i < tensor.count(); ++i) s += (i ? ", " : "") + element_text(data[i]);
    return s + "}";
  });
}

Result<Tensor> parse_elements(TextCursor& cursor, const TensorType& type, size_t& bytes_left) {
  if (type.bytes() > bytes_left)
    return unsupported(to_string(type), " has ", type.bytes(), " bytes, ", bytes_left, " are left of the limit");
  bytes_left -= type.bytes();
  QL_TRY(Tensor tensor, Tensor::allocate(type));
  void* data = tensor.mutable_data();
  if (cursor.eat_word("zeros")) return tensor;
  if (cursor.eat_word("iota")) {
    visit_elements(type.dtype, data, [&]<class T>(T* out) {
      for (int64_t i = 0; i < type.count(); ++i) out[i] = from_count<T>(i);
    });
    return tensor;
  }
  if (cursor.eat_word("random")) {
    QL_CHECK_OK(cursor.expect('('));
    QL_TRY(int64_t seed, cursor.integer());
    QL_CHECK_OK(cursor.expect(')'));
    uint64_t state = static_cast<uint64_t>(seed);
    visit_elements(type.dtype, data, [&]<class T>(T* out) {
      for (int64_t i = 0; i < type.count(); ++i) out[i] = from_random<T>(state);
    });
    return tensor;
  }
  if (cursor.eat_word("fill")) {
    QL_CHECK_OK(cursor.expect('('));
    QL_TRY(std::string value, cursor.number());
    QL_CHECK_OK(cursor.expect(')'));
    Status status = visit_elements(type.dtype, data, [&]<class T>(T* out) -> Status {
      T element{};
      QL_CHECK_OK(parse_element(value, element));
      std::fill_n(out, type.count(), element);
      return {};
    });
    if (!status.ok()) return std::move(status).error();
    return tensor;
  }
  if (cursor.eat_word("hash")) return invalid_argument("only a hash of the ", type.count(), " elements was printed");
  if (cursor.peek('{')) {
    Status status = visit_elements(type.dtype, data, [&](auto* out) { return parse_list(cursor, type, out); });
    if (!status.ok()) return std::move(status).error();
    return tensor;
  }
  if (!cursor.peek('0')) return cursor.error("elements: {...}, 0x..., zeros, iota, fill(value) or random(seed)");
  QL_TRY(std::string digits, cursor.word());
  if (!digits.starts_with("0x")) return invalid_argument("expected 0x and hexadecimal digits, found '", digits, "'");
  QL_CHECK_OK(parse_hex(std::string_view(digits).substr(2), tensor));
  return tensor;
}

std::string float_text(float value) {
  std::string s = chars_of(value);
  return s.find_first_of(".en") == s.npos ? s + ".0" : s;  // 'n': inf and nan
}

Result<float> parse_float(std::string_view text) { return from_text<float>(text, "f32"); }

}  // namespace quadlane
