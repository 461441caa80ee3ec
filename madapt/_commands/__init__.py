"""The commands of `madapt` that need typer: one subject a file, nothing imported before its use."""
