#include "engine/api/plan_model.h"
#include "tools/compare/figures_page.h"
#include "tools/compare/saved_results.h"
#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/verbs/compare_args.h"

namespace quadlane::tools {
namespace {

Result<nlohmann::json> read_json(const std::string& path) {
  constexpr size_t kMostBytes = 256 << 20;
  QL_TRY(std::string text, read_file(path, kMostBytes));
  auto json = parse_json(text, kMostBytes);
  if (json.ok()) return json;
  if (is_plan_file(path) || ends_with(path, ".onnx"))
    return invalid_argument("'", path, "' is a model, two saved results are compared: name a second model with --also");
  return std::move(json).context(cat("'", path, "'"));
}

std::string page(const CompareArgs& args, const std::vector<SavedChange>& changes,
                 const std::vector<std::string>& remarks, const nlohmann::ordered_json& json) {
  FiguresPage page{"Two saved results", cat(args.workload.model.path, " before, ", args.newer, " after"), remarks};
  page.columns = {"", "before", "after", "change %", "p"};
  page.bars = "change";
  const auto rows = changes_rows(changes);
  for (size_t i = 0; i < changes.size(); ++i)
    page.rows.push_back({rows[i], changes[i].change(), json[i]["worse"].get<bool>()});
  return page.html();
}

}  // namespace

Status compare_files(const CompareArgs& args, double share, int& exit_code) {
  QL_TRY(nlohmann::json before, read_json(args.workload.model.path));
  QL_TRY(nlohmann::json after, read_json(args.newer));
  QL_TRY(std::vector<SavedChange> changes, compare_saved(before, after));
  std::fputs(changes_table(changes).c_str(), stdout);
  const std::vector<std::string> remarks = other_conditions(before, after);
  for (const std::string& remark : remarks)
    std::fprintf(stderr, "warning: the results differ in more than time, %s\n", remark.c_str());
  const nlohmann::ordered_json json = changes_json(changes);
  if (!args.json.empty())
    QL_CHECK_OK(write_json(args.json, {{"kind", "changes"},
                                       {"before", args.workload.model.path},
                                       {"after", args.newer},
                                       {"remarks", remarks},
                                       {"changes", json}}));
  if (!args.html.empty()) QL_CHECK_OK(write_file(args.html, page(args, changes, remarks, json)));
  if (share < 0) return {};
  QL_CHECK_OK(check_enough(changes));
  exit_code = kRegression;
  return check_changes(changes, share);
}

}  // namespace quadlane::tools
