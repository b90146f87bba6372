// An HTML page of rows with a bar each: two saved results, or the values of two models.
#pragma once

#include <string>
#include <vector>

namespace quadlane::tools {

struct FiguresPage {
  struct Row {
    std::vector<std::string> cells;
    double bar = 0;  // its length, to either side of zero; NaN: none
    bool bad = false;
  };
  std::string title, subtitle;
  std::vector<std::string> remarks, columns;
  std::string bars;  // heading of the bars
  std::vector<Row> rows;

  std::string html() const;
};

}  // namespace quadlane::tools
