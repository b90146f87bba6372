// The `quadlane` command. Exit code 0: done; 1: it failed, with one line on stderr; 2: the command line is wrong;
// 3: `compare --fail-over` found a regression.
#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "tools/verbs/verb.h"

namespace {

using quadlane::tools::Verb;

// Names from files may hold anything.
std::string one_line(std::string text) {
  auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), is_control, ' ');
  return text;
}

// CLI11's own message is one line for an error and a page for --help.
int usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  std::fprintf(stderr, "quadlane: %s (try --help)\n", one_line(error.what()).c_str());
  return 2;
}

int dispatch(const std::vector<Verb>& verbs) {
  for (const Verb& verb : verbs) {
    if (!verb.app->parsed()) continue;
    quadlane::Status status = verb.run();
    if (status.ok()) return std::fflush(stdout) == 0 ? 0 : 1;
    std::fflush(stdout);
    std::fprintf(stderr, "quadlane: %s\n", one_line(status.error().text()).c_str());
    return verb.exit_code ? *verb.exit_code : 1;
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  namespace tools = quadlane::tools;
  CLI::App app("Quadlane runs convolutional networks on CPUs: ONNX in, int8 results out.", "quadlane");
  app.set_version_flag("--version", QUADLANE_VERSION);
  app.require_subcommand(1);
  std::vector<Verb> verbs = {tools::add_run(app),     tools::add_quantize(app), tools::add_compile(app),
                             tools::add_bench(app),   tools::add_profile(app),  tools::add_compare(app),
                             tools::add_inspect(app), tools::add_verify(app),   tools::add_segment(app)};
  try {
    auto is_named = [&](const Verb& verb) { return verb.app->get_name() == argv[1]; };
    if (argc > 1 && argv[1][0] != '-' && std::none_of(verbs.begin(), verbs.end(), is_named))
      throw CLI::ParseError(quadlane::cat("there is no verb '", argv[1], "'"), 2);
    app.parse(argc, argv);
    return dispatch(verbs);
  } catch (const CLI::ParseError& error) {
    return usage(app, error);
  } catch (const std::bad_alloc&) {
    std::fputs("quadlane: out of memory\n", stderr);
    return 1;
  } catch (const std::exception& error) {  // the last resort: a library threw what nobody expected
    std::fprintf(stderr, "quadlane: %s\n", one_line(error.what()).c_str());
    return 1;
  }
}
