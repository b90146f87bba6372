// A .npy file is "\x93NUMPY", two version bytes, the header's length (2 bytes in version 1, else 4, little-endian), a
// header that is a Python dict literal padded with spaces, and the elements:
//   {'descr': '<f4', 'fortran_order': False, 'shape': (1, 192, 192), }
#include "tools/io/npy.h"

#include <cctype>
#include <cstring>
#include <optional>

#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeader = 1 << 16;

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

// Reads the few forms of Python literals NumPy writes; anything else is an error at the offset where it stands.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Result<Header> parse() {
    Header header;
    QL_CHECK_OK(expect('{'));
    while (!take('}')) {
      QL_TRY(std::string key, quoted());
      QL_CHECK_OK(expect(':'));
      if (key == "descr") {
        QL_TRY(header.descr, quoted());
      } else if (key == "fortran_order") {
        QL_TRY(header.fortran_order, boolean());
      } else if (key == "shape") {
        QL_TRY(header.shape, tuple());
      } else {
        return wrong(cat("key '", key, "'"));
      }
      if (take(',')) continue;
      QL_CHECK_OK(expect('}'));
      break;
    }
    if (!header.descr || !header.fortran_order || !header.shape)
      return invalid_argument("the npy header lacks descr, fortran_order or shape");
    return header;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Error wrong(std::string what) const {
    return invalid_argument("unexpected ", what, " at offset ", at_, " of the npy header");
  }
  Status expect(char c) {
    if (take(c)) return {};
    return wrong(at_ < text_.size() ? cat("text where '", c, "' should stand") : "end");
  }
  Result<std::string> quoted() {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"'))
      return wrong("text where a string should stand");
    size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return wrong("end of a string");
    std::string s(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return s;
  }
  Result<bool> boolean() {
    skip_space();
    for (bool value : {false, true}) {
      std::string_view word = value ? "True" : "False";
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return value;
    }
    return wrong("text where True or False should stand");
  }
  Result<Shape> tuple() {
    Shape shape;
    QL_CHECK_OK(expect('('));
    while (!take(')')) {
      QL_TRY(int64_t extent, integer());
      if (shape.size() == kMaxRank) return unsupported("the npy shape has more than ", kMaxRank, " extents");
      shape.push_back(extent);
      if (take(',')) continue;
      QL_CHECK_OK(expect(')'));
      break;
    }
    return shape;
  }
  Result<int64_t> integer() {
    skip_space();
    size_t begin = at_;
    int64_t value = 0;
    for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_)
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text_[at_] - '0', &value))
        return wrong("number that is too large");
    if (at_ == begin) return wrong("text where a number should stand");
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
};

struct Code2DType {
  std::string_view code;  // NumPy's, without the byte order
  DType dtype;
};
constexpr Code2DType kCodes[] = {{"f4", DType::f32}, {"f8", DType::f64}, {"f2", DType::f16}, {"u1", DType::u8},
                                 {"i1", DType::s8},  {"u2", DType::u16}, {"i2", DType::s16}, {"i4", DType::s32},
                                 {"u4", DType::u32}, {"i8", DType::s64}, {"u8", DType::u64}, {"b1", DType::boolean}};

Result<DType> parse_descr(const std::string& descr, bool& big_endian) {
  if (!descr.empty() && std::strchr("<>|=", descr[0]))
    for (const Code2DType& known : kCodes)
      if (known.code == std::string_view(descr).substr(1)) {
        big_endian = descr[0] == '>';
        return known.dtype;
      }
  return unsupported("npy element type '", descr, "' is not supported");
}

void reverse_elements(char* data, size_t bytes, size_t size) {
  for (size_t i = 0; i + size <= bytes; i += size) std::reverse(data + i, data + i + size);
}

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

Result<Tensor> parse_npy(std::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic)
    return invalid_argument("no .npy file: the first bytes are not \\x93NUMPY");
  if (bytes.size() < 10) return invalid_argument("the npy file ends after ", bytes.size(), " bytes, inside its header");
  int version = static_cast<uint8_t>(bytes[6]);
  if (version < 1 || version > 3) return unsupported("npy version ", version, ", known are 1 to 3");
  size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start)
    return invalid_argument("the npy file ends after ", bytes.size(), " bytes, inside its header");
  size_t length = little_endian(bytes.substr(8, start - 8));
  if (length > kMaxHeader) return unsupported("the npy header has ", length, " bytes, the limit is ", kMaxHeader);
  if (bytes.size() - start < length)
    return invalid_argument("the npy header has ", length, " bytes, the file only ", bytes.size() - start, " more");

  QL_TRY(Header header, HeaderParser(bytes.substr(start, length)).parse());
  if (*header.fortran_order) return unsupported("npy arrays in fortran order are not supported, save a C-ordered copy");
  bool big_endian = false;
  QL_TRY(DType dtype, parse_descr(*header.descr, big_endian));
  QL_TRY(int64_t count, element_count(*header.shape));
  std::string_view data = bytes.substr(start + length);
  size_t needed = static_cast<size_t>(count) * size_of(dtype);
  if (data.size() < needed)
    return invalid_argument("npy shape ", to_string(*header.shape), " needs ", needed, " bytes, the file holds ",
                            data.size());

  QL_TRY(Tensor tensor, Tensor::allocate({dtype, *header.shape}));
  char* target = static_cast<char*>(tensor.mutable_data());
  std::copy(data.begin(), data.begin() + static_cast<ptrdiff_t>(needed), target);
  if (big_endian) reverse_elements(target, needed, size_of(dtype));
  return tensor;
}

Result<Tensor> read_npy(const std::string& path) {
  QL_TRY(std::string bytes, read_file(path));
  return parse_npy(bytes).context(cat("'", path, "'"));
}

std::string format_npy(const View& view) {
  std::string_view code;
  for (const Code2DType& known : kCodes)
    if (known.dtype == view.type->dtype) code = known.code;
  std::string shape;
  for (int64_t extent : view.shape()) shape += cat(extent, view.shape().size() == 1 ? "," : ", ");
  if (view.shape().size() > 1) shape.resize(shape.size() - 2);
  std::string header = cat("{'descr': '", size_of(view.type->dtype) == 1 ? '|' : '<', code,
                           "', 'fortran_order': False, 'shape': (", shape, "), }");
  size_t total = (kMagic.size() + 4 + header.size() + 1 + 63) / 64 * 64;  // elements start 64-byte aligned
  header.resize(total - kMagic.size() - 4 - 1, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += {'\1', '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(view.as<char>(), view.type->bytes());
  return bytes;
}

Status write_npy(const std::string& path, const View& view) { return write_file(path, format_npy(view)); }

}  // namespace quadlane::tools
