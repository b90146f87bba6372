// quadlane compile: a model becomes a plan file, which opens in milliseconds and, with --aot, needs no code generator.
#include <cstring>
#include <filesystem>
#include <memory>

#include "engine/api/plan_model.h"
#include "engine/base/sha256.h"
#include "engine/run/plan_signature.h"
#include "tools/cli/output_files.h"
#include "tools/cli/precision.h"
#include "tools/io/file.h"
#include "tools/io/pem.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

struct CompileArgs {
  ModelArgs model;
  PrecisionArgs precision;
  std::string output, sign;
  bool ahead = false, no_graph = false;
};

// "avx2,avx512_vnni"
Result<std::vector<Isa>> parse_isas(std::string_view text) {
  std::vector<Isa> isas;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    QL_TRY(Isa isa, parse_isa(text.substr(0, end)));
    for (Isa before : isas)
      if (before == isa) return invalid_argument("--isa names ", to_string(isa), " twice");
    isas.push_back(isa);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return isas;
}

Status compile(const CompileArgs& args) {
  QL_CHECK_OK(prepare_output_file(args.output));
  if (args.no_graph && !args.ahead)
    return invalid_argument("a plan with neither code nor graph cannot run: --no-graph needs --aot");
  PlanFileOptions file;
  QL_TRY(file.isas, parse_isas(args.model.isa));
  file.ahead = args.ahead;
  file.graph = !args.no_graph;
  if (!args.sign.empty()) {
    QL_TRY(file.signing_seed, read_signing_seed(args.sign));
  }
  ModelArgs model = args.model;
  model.isa.clear();
  QL_TRY(ModelOptions options, model.options());
  QL_TRY(LoadedGraph loaded, load_graph(model, args.precision));
  QL_TRY(std::string source, read_file(args.model.path));
  file.about.engine_version = QUADLANE_VERSION;
  file.about.model_name = std::filesystem::path(args.model.path).filename().string();
  file.about.model_sha256 = sha256_hex(source);
  if (!loaded.calibration.empty()) file.about.calibration_sha256 = sha256_hex(loaded.calibration);
  QL_TRY(std::vector<std::byte> bytes, make_plan_file(std::move(loaded.graph), options, file));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  QL_CHECK_OK(write_file(args.output, text));
  std::printf("%s: %.3f MB, sha256 %s\n", args.output.c_str(), static_cast<double>(bytes.size()) * 1e-6,
              sha256_hex(text).c_str());
  if (file.signing_seed) std::printf("signed by %s\n", run::key_hex(ed25519_public_key(*file.signing_seed)).c_str());
  return {};
}

}  // namespace

Verb add_compile(CLI::App& root) {
  CLI::App* app = root.add_subcommand("compile", "Compile a model into a plan file");
  auto args = std::make_shared<CompileArgs>();
  args->model.add_to(*app);
  args->precision.add_to(*app);
  app->get_option("--isa")->description("instruction sets to compile for, NAME[,NAME]; default: this machine's best");
  app->add_flag("--aot", args->ahead, "put the machine code into the file: nothing is generated where it runs");
  app->add_flag("--no-graph", args->no_graph, "leave the graph out: the file runs only where its code does");
  app->add_option("--sign", args->sign, "sign the file with this Ed25519 key (openssl genpkey -algorithm ed25519)");
  add_output(*app, "-o,--output", args->output, "the plan file to write")->required();
  return {app, [args] { return compile(*args); }};
}

}  // namespace quadlane::tools
