// Text tables for people: columns as wide as they must be, numbers to the right.
#pragma once

#include <string>
#include <vector>

namespace quadlane::tools {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const;  // the first column to the left, the others to the right
  std::string csv() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "12.35"; "-" for what is not a number.
std::string fixed(double value, int decimals);

// Of a time: three digits behind the first, "0.1234", "1.234", "12.34", "123.4"; nothing below 0.0001.
std::string figure(double value);

}  // namespace quadlane::tools
