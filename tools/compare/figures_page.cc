#include "tools/compare/figures_page.h"

#include "tools/cli/page.h"

namespace quadlane::tools {

extern const char kFiguresPage[];  // figures_page.html, as the build embeds it

std::string FiguresPage::html() const {
  auto list = nlohmann::ordered_json::array();
  for (const Row& row : rows) list.push_back({{"cells", row.cells}, {"bar", row.bar}, {"bad", row.bad}});
  return page_with_data(kFiguresPage, {{"title", title},
                                       {"subtitle", subtitle},
                                       {"remarks", remarks},
                                       {"columns", columns},
                                       {"bars", bars},
                                       {"rows", list}});
}

}  // namespace quadlane::tools
