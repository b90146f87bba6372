// quadlane profile: where the time of a model goes, layer by layer.
#include <memory>

#include "tools/cli/output_files.h"
#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/profile/profile_report.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

struct ProfileArgs {
  WorkloadArgs workload;
  std::string json, trace, html;
};

Status profile(const ProfileArgs& args) {
  QL_CHECK_OK(prepare_outputs({{args.json, args.trace, args.html}}));
  QL_TRY(Workload workload, prepare(args.workload));
  QL_TRY(NetworkProfile profile, profile_network(workload, args.workload.seconds));
  std::fputs(profile_table(profile).c_str(), stdout);
  for (const std::string& warning : profile.warnings()) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  const Model& model = workload.model;
  const std::string& path = args.workload.model.path;
  if (!args.json.empty()) QL_CHECK_OK(write_json(args.json, profile_json(profile, model, path)));
  if (!args.trace.empty()) QL_CHECK_OK(write_file(args.trace, profile_trace(profile, model)));
  if (!args.html.empty()) QL_CHECK_OK(write_file(args.html, profile_page(profile, model, path)));
  return {};
}

}  // namespace

Verb add_profile(CLI::App& root) {
  CLI::App* app = root.add_subcommand("profile", "Show where the time goes, layer by layer");
  auto args = std::make_shared<ProfileArgs>();
  args->workload.add_to(*app);
  add_output(*app, "--json", args->json, "write the figures to this file");
  add_output(*app, "--trace", args->trace, "write a timeline for Chrome's tracing or Perfetto to this file");
  add_output(*app, "--html", args->html, "write a page with roofline, timeline and memory plan to this file");
  return {app, [args] { return profile(*args); }};
}

}  // namespace quadlane::tools
