# From the workbench's deploy: the administrator's notices, in new terminals and SSH sessions.
case $- in *i*) cat /run/workbench/notice.txt 2>/dev/null || : ;; esac
