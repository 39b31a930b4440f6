# From the workbench's deploy: what R runs in the place of a .Rprofile of a working directory that others may write to.
# That of the home counts, and the workspace (.RData) of the directory is not loaded: it can hold what runs at once.
Sys.unsetenv("R_PROFILE_USER")
if (!any(grepl("^--(no-restore|vanilla)", commandArgs(FALSE)))) {
  # R asks this function where there is one (R_RestoreGlobalEnvFromFile).
  assign("sys.load.image", function(...) rm("sys.load.image", envir = globalenv()), envir = globalenv())
}
if (file.exists("~/.Rprofile")) source("~/.Rprofile", local = globalenv())
