// Plan files in the command: compiled, looked at, run.
#include <gtest/gtest.h>

#include "tests/tools/command.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

const std::string kModel = QUADLANE_REPOSITORY "/tools/showcase/model/cardiac_dense_unet.onnx";

TEST(PlanCommand, CompiledOnceItRunsEverywhere) {
  Scratch scratch;
  const std::string plan = scratch.path("net.qlp");
  CommandResult compiled =
      quadlane(scratch, "compile " + kModel + " --no-tune --aot --isa avx2,avx512_vnni -o " + plan);
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  EXPECT_NE(compiled.out.find("sha256"), std::string::npos);
  CommandResult shown = quadlane(scratch, "inspect " + plan + " --plan");
  EXPECT_EQ(shown.code, 0) << shown.err;
  for (const char* part : {"format 1.0", "avx2: ", "avx512_vnni: ", "with code", "cardiac_dense_unet.onnx", "ql.Conv"})
    EXPECT_NE(shown.out.find(part), std::string::npos) << part;
  CommandResult bench = quadlane(scratch, "bench " + plan + " --seconds 0.05");
  EXPECT_EQ(bench.code, 0) << bench.err;
  CommandResult refused = quadlane(scratch, "bench " + plan + " --precision int8 --seconds 0.05");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("its precision was fixed"), std::string::npos) << refused.err;
  EXPECT_EQ(quadlane(scratch, "inspect " + plan + " --after fold_batch_norm").code, 1);
  EXPECT_EQ(quadlane(scratch, "compile " + kModel + " --no-graph -o " + plan).code, 1);
  std::string damaged = *read_file(plan);
  damaged[damaged.size() / 2] ^= 1;
  CommandResult broken = quadlane(scratch, "bench " + scratch.write("damaged.qlp", damaged) + " --seconds 0.05");
  EXPECT_EQ(broken.code, 1);
  EXPECT_NE(broken.err.find("is damaged: checksum"), std::string::npos) << broken.err;
}

// The first key of RFC 8032, section 7.1, as OpenSSL writes it.
TEST(PlanCommand, SignedFilesSayByWhom) {
  Scratch scratch;
  const std::string plan = scratch.path("net.qlp");
  const std::string key = scratch.write(
      "key.pem",
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE "
      "KEY-----\n");
  const std::string compile = "compile " + kModel + " --shape image=1x1x32x32 --no-tune --aot -o " + plan + " --sign ";
  const CommandResult made = quadlane(scratch, compile + key);
  ASSERT_EQ(made.code, 0) << made.err;
  const std::string by = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n";
  EXPECT_NE(made.out.find("signed by " + by), std::string::npos) << made.out;
  EXPECT_NE(quadlane(scratch, "inspect " + plan).out.find("signed by    " + by), std::string::npos);
  EXPECT_EQ(quadlane(scratch, "bench " + plan + " --seconds 0.05").code, 0);
  const CommandResult no_key =
      quadlane(scratch, compile + scratch.write("no.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n"));
  EXPECT_EQ(no_key.code, 1);
  EXPECT_NE(no_key.err.find("is no Ed25519 private key"), std::string::npos) << no_key.err;
}

}  // namespace
}  // namespace quadlane::tools
