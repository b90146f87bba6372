#include "graph/text_cursor.h"

#include <charconv>

namespace quadlane {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

std::string quote(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string s = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      s += '\\';
      s += c;
    } else if (c == '\n') {
      s += "\\n";
    } else if (c == '\t') {
      s += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      s += "\\x";
      s += digits[byte >> 4];
      s += digits[byte & 15];
    } else {
      s += c;
    }
  }
  return s + '"';
}

std::string name_text(std::string_view name) {
  bool plain = !name.empty();
  for (char c : name) plain = plain && is_word_char(c);
  return plain ? std::string(name) : quote(name);
}

Result<int64_t> parse_int(std::string_view text) {
  int64_t value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure == std::errc::result_out_of_range) return invalid_argument("'", text, "' does not fit in 64 bits");
  if (failure != std::errc() || end != text.data() + text.size())
    return invalid_argument("expected an integer, found '", text, "'");
  return value;
}

void TextCursor::skip_blanks() {
  while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\r')) rest_.remove_prefix(1);
}

Error TextCursor::error(std::string_view expected) {
  skip_blanks();
  if (at_end()) return invalid_argument("expected ", expected, ", found the end of the line");
  constexpr size_t kShown = 24;
  return invalid_argument("expected ", expected, ", found '", rest_.substr(0, kShown),
                          rest_.size() > kShown ? "..." : "", "'");
}

bool TextCursor::at_end() {
  skip_blanks();
  return rest_.empty() || rest_[0] == '#';
}

bool TextCursor::peek(char c) {
  skip_blanks();
  return !rest_.empty() && rest_[0] == c;
}

bool TextCursor::eat(char c) {
  if (!peek(c)) return false;
  rest_.remove_prefix(1);
  return true;
}

bool TextCursor::eat_word(std::string_view word) {
  skip_blanks();
  if (!rest_.starts_with(word) || (rest_.size() > word.size() && is_word_char(rest_[word.size()]))) return false;
  rest_.remove_prefix(word.size());
  return true;
}

Status TextCursor::expect(char c) {
  if (!eat(c)) return error(cat("'", c, "'"));
  return {};
}

Result<std::string> TextCursor::word() {
  skip_blanks();
  size_t n = 0;
  while (n < rest_.size() && is_word_char(rest_[n])) ++n;
  if (n == 0) return error("a word");
  std::string word(rest_.substr(0, n));
  rest_.remove_prefix(n);
  return word;
}

Result<std::string> TextCursor::quoted() {
  QL_CHECK_OK(expect('"'));
  std::string s;
  for (size_t i = 0; i < rest_.size(); ++i) {
    char c = rest_[i];
    if (c == '"') {
      rest_.remove_prefix(i + 1);
      return s;
    }
    if (c != '\\') {
      s += c;
      continue;
    }
    char escape = ++i < rest_.size() ? rest_[i] : '\0';
    if (escape == '"' || escape == '\\') {
      s += escape;
    } else if (escape == 'n' || escape == 't') {
      s += escape == 'n' ? '\n' : '\t';
    } else if (escape == 'x' && i + 2 < rest_.size() && hex_digit(rest_[i + 1]) >= 0 && hex_digit(rest_[i + 2]) >= 0) {
      s += static_cast<char>(hex_digit(rest_[i + 1]) * 16 + hex_digit(rest_[i + 2]));
      i += 2;
    } else {
      return invalid_argument("unknown escape '\\", escape ? std::string(1, escape) : "", "' in a string");
    }
  }
  return invalid_argument("a string has no closing quote");
}

Result<std::string> TextCursor::name() { return peek('"') ? quoted() : word(); }

Result<std::string> TextCursor::value_name() {
  QL_CHECK_OK(expect('%'));
  return name();
}

Result<std::string> TextCursor::number() {
  skip_blanks();
  size_t n = 0;
  while (n < rest_.size() && (is_word_char(rest_[n]) || rest_[n] == '-' || rest_[n] == '+')) ++n;
  if (n == 0) return error("a number");
  std::string text(rest_.substr(0, n));
  rest_.remove_prefix(n);
  return text;
}

Result<int64_t> TextCursor::integer() {
  QL_TRY(std::string text, number());
  return parse_int(text);
}

Result<Shape> TextCursor::bracketed_ints() {
  QL_CHECK_OK(expect('['));
  Shape ints;
  if (eat(']')) return ints;
  do {
    QL_TRY(int64_t value, integer());
    ints.push_back(value);
  } while (eat(','));
  QL_CHECK_OK(expect(']'));
  return ints;
}

Result<TensorType> TextCursor::type() {
  QL_TRY(std::string dtype_name, word());
  QL_TRY(DType dtype, parse_dtype(dtype_name));
  QL_TRY(Shape shape, bracketed_ints());
  if (auto count = element_count(shape); !count.ok()) return std::move(count).error();
  return TensorType{dtype, std::move(shape)};
}

}  // namespace quadlane
