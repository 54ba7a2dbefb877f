FROM scratch
COPY root/ /
EXPOSE 80 443
CMD ["/usr/sbin/nginx"]
