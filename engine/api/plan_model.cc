#include "engine/api/plan_model.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "engine/base/guard.h"
#include "engine/compile/compile.h"
#include "engine/compile/schedule_book.h"
#include "engine/reference/reference_plan.h"
#include "engine/reference/reference_step.h"
#include "engine/run/self_test.h"
#include "graph/store.h"
#include "ops/table.h"

namespace quadlane {

bool is_plan_file(const std::string& path) {
  char magic[8] = {};
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO without a writer must not hang
  if (file < 0) return false;
  const bool read = ::read(file, magic, sizeof magic) == sizeof magic;
  ::close(file);
  return read && std::memcmp(magic, "QUADLANE", sizeof magic) == 0;
}

namespace {

Result<std::vector<std::byte>> made_plan_file(Graph graph, const ModelOptions& options, const PlanFileOptions& file) {
  run::PlanParts parts;
  parts.info = file.about;
  parts.info.gmac = count_gmac(graph);
  parts.code = file.ahead;
  parts.signing_seed = file.signing_seed;
  QL_CHECK_OK(bring_to_final_form(graph, options));
  const auto book = options.schedules || !options.tune ? options.schedules : std::make_shared<compile::ScheduleBook>();
  std::vector<Isa> isas = file.isas;
  if (isas.empty()) isas.push_back(options.isa.value_or(detect_cpu().best_isa()));
  for (Isa isa : isas) {
    compile::CompileOptions compile_options = limits(options);
    compile_options.isa = isa;
    compile_options.generate_only = true;
    // Code in a file runs wherever its instruction set does; AVX512_VBMI belongs to none of them.
    if (file.ahead) compile_options.cpu.avx512_vbmi = false;
    compile_options.tune = options.tune;
    compile_options.schedules = book;
    QL_TRY(auto plan, compile::compile(graph, op_table(), compile_options));
    // Only where the code runs, and has outputs to compare.
    std::string golden;
    if (file.ahead && detect_cpu().runs(isa))
      if (auto hash = run::golden_hash(plan); hash.ok()) golden = *hash;
    parts.golden.push_back(std::move(golden));
    parts.variants.push_back(std::move(plan));
  }
  if (book) parts.schedules = book->to_text();
  double int8 = 0;
  for (const auto& step : parts.variants[0]->steps) {
    parts.info.gmac_executed += step->info.gmac_executed;
    if (step->info.int8) int8 += step->info.gmac;
  }
  parts.info.int8 = int8 > parts.info.gmac / 2;
  if (file.graph) {
    QL_TRY(parts.graph, store_graph(graph));
  }
  const ReferenceCodec codec(op_table());
  return run::plan_file_bytes(parts, &codec);
}

// Generates what the file does not carry.
Result<std::shared_ptr<const run::Plan>> generate_plan(const run::PlanFile& file, const ModelOptions& options,
                                                       Isa isa) {
  QL_TRY(Graph graph, restore_graph(file.graph(), op_table()).context("section 'grph'"));
  compile::CompileOptions compile_options = limits(options);
  compile_options.isa = isa;
  compile_options.tune = options.tune;
  compile_options.schedules = options.schedules;
  if (!options.schedules && !file.schedules().empty()) {
    QL_TRY(auto book, compile::ScheduleBook::from_text(file.schedules()).context("section 'schd'"));
    compile_options.schedules = std::make_shared<compile::ScheduleBook>(std::move(book));
  }
  compile_options.code_listeners = options.code_listeners;
  const ReferenceCodec codec(op_table());
  for (const run::PlanFile::Variant& variant : file.variants())  // weights that come out equal stay in the file's pages
    if (auto plan = file.load(variant, Isa::avx512_vnni, &codec); plan.ok()) compile_options.siblings.push_back(*plan);
  auto plan = compile::compile(graph, op_table(), compile_options);
  if (plan.ok() || plan.error().code != Code::no_executable_memory) return plan;
  QL_TRY(auto reference, reference_plan(graph, op_table(), options.max_arena_bytes, plan.error().text()));
  return reference;
}

// Code that was not sealed here: profilers have not heard of it.
Status tell_listeners(const run::Plan& plan, const ModelOptions& options) {
  for (const auto& listener : options.code_listeners)
    for (const run::Kernel& kernel : plan.kernels)
      QL_CHECK_OK(listener->code_loaded(kernel.name, reinterpret_cast<const void*>(kernel.entry),
                                        {reinterpret_cast<const uint8_t*>(kernel.entry), kernel.bytes}));
  return {};
}

}  // namespace

Result<std::vector<std::byte>> make_plan_file(Graph graph, const ModelOptions& options, const PlanFileOptions& file) {
  return guarded([&] { return made_plan_file(std::move(graph), options, file); });
}

Result<Model> Model::load_plan(const std::string& path, const ModelOptions& options,
                               const run::PlanOpenOptions& open_options) {
  return guarded([&] {
    // Both limits hold, for the file's code and for what is generated in its place.
    ModelOptions limited = options;
    run::PlanOpenOptions open_limited = open_options;
    limited.max_arena_bytes = open_limited.max_arena_bytes =
        std::min(options.max_arena_bytes, open_options.max_arena_bytes);
    return opened(path, limited, open_limited);
  });
}

Result<Model> Model::opened(const std::string& path, const ModelOptions& options,
                            const run::PlanOpenOptions& open_options) {
  const auto start = std::chrono::steady_clock::now();
  if (!options.load.shapes.empty() || !options.load.symbols.empty() || options.load.batch)
    return invalid_argument("the shapes of '", path, "' were fixed when it was compiled");
  const CpuInfo cpu = detect_cpu();
  const Isa best = options.isa.value_or(cpu.best_isa());
  if (!cpu.runs(best))
    return unsupported("instruction set '", to_string(best), "' is asked for, this processor runs ",
                       to_string(cpu.best_isa()));
  run::PlanOpenOptions how = open_options;
  for (const auto& listener : options.code_listeners) how.private_code |= listener->wants_private_pages();
  QL_TRY(run::PlanFile file, run::PlanFile::open(path, how));
  const ReferenceCodec codec(op_table());
  Model model;
  auto plan = file.load(best, &codec);
  // Code of the file for the instruction set that was asked for, else what is generated, else weaker code of the file.
  const bool exact = plan.ok() && (*plan)->isa == to_string(best);
  bool generated = false;
  if (!exact && !file.graph().empty()) {
    auto made = generate_plan(file, options, best);
    const bool faster = made.ok() && (*made)->isa != to_string(Isa::reference);
    generated = faster || !plan.ok();
    if (generated) plan = std::move(made);
  }
  QL_TRY(model.plan_, std::move(plan));
  if (!generated) QL_CHECK_OK(tell_listeners(*model.plan_, options));
  if (options.self_test) QL_CHECK_OK(run::self_test(model.plan_).context(cat("'", path, "'")));
  QL_TRY(model.isa_, parse_isa(model.plan_->isa));
  model.gmac_ = file.info().gmac;
  model.int8_ = file.info().int8;
  model.open_ms_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return model;
}

}  // namespace quadlane
