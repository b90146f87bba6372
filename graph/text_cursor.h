// Reads one line of the graph's text form. Every function skips blanks first and, when it fails, says what it found.
#pragma once

#include "engine/base/tensor.h"

namespace quadlane {

class TextCursor {
 public:
  explicit TextCursor(std::string_view line) : rest_(line) {}

  bool at_end();  // nothing but blanks or a comment is left
  bool peek(char c);
  bool eat(char c);
  bool eat_word(std::string_view);  // as a whole word
  Status expect(char c);
  Result<std::string> word();        // [A-Za-z0-9_.]+
  Result<std::string> quoted();      // "..." with the escapes \" \\ \n \t \xHH
  Result<std::string> name();        // a word or a quoted string
  Result<std::string> value_name();  // % and a name
  Result<std::string> number();      // the characters of a number, inf or nan
  Result<int64_t> integer();
  Result<Shape> bracketed_ints();  // [1,2]
  Result<TensorType> type();       // f32[1,2], extents checked
  Error error(std::string_view expected);

 private:
  void skip_blanks();
  std::string_view rest_;
};

bool is_word_char(char c);
// "..." with the escapes quoted() reads.
std::string quote(std::string_view);
// The name itself when it is a word, else quoted.
std::string name_text(std::string_view);

Result<int64_t> parse_int(std::string_view);

}  // namespace quadlane
