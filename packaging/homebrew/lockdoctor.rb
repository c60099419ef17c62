# Untested: there is no Homebrew where the tests run. Put the archive's address and checksum (SHA256SUMS) in.
class Lockdoctor < Formula
  desc "Finds, explains and safely frees stale OpenClaw session locks"
  homepage "https://openclaw.ai"
  url "https://example.invalid/lockdoctor-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "rust" => :build
  # It asks the Linux kernel who has a lock open; there is no such question on macOS.
  depends_on :linux

  def install
    system "cargo", "install", *std_cargo_args
    man1.install Dir["man/*.1"]
    generate_completions_from_executable(bin/"lockdoctor", "completions")
  end

  test do
    assert_match "lockdoctor #{version}", shell_output("#{bin}/lockdoctor --version")
    system bin/"lockdoctor", "demo"
  end
end
