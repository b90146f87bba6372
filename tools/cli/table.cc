#include "tools/cli/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace quadlane::tools {

namespace {

// Characters of UTF-8, each taken to be as wide as any other.
size_t width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (size_t r = 0; r < rows_.size(); ++r) {
    for (size_t i = 0; i < rows_[r].size(); ++i) {
      std::string pad(widths[i] - width(rows_[r][i]), ' ');
      if (i > 0)
        text += "  " + pad + rows_[r][i];
      else
        text += rows_[r][i] + (rows_[r].size() > 1 ? pad : "");
    }
    text += '\n';
    if (r > 0) continue;
    for (size_t i = 0; i < widths.size(); ++i) text += std::string(i ? 2 : 0, ' ') + std::string(widths[i], '-');
    text += '\n';
  }
  return text;
}

std::string Table::csv() const {
  std::string text;
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i];
      if (cell.find_first_of(",\"\n") != std::string::npos) {
        for (size_t at = 0; (at = cell.find('"', at)) != std::string::npos; at += 2) cell.insert(at, 1, '"');
        cell = '"' + cell + '"';
      }
      text += (i ? "," : "") + cell;
    }
    text += '\n';
  }
  return text;
}

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

std::string figure(double value) {
  const double size = std::abs(value);
  return fixed(value, size < 1 ? 4 : size < 10 ? 3 : size < 100 ? 2 : 1);
}

}  // namespace quadlane::tools
